"""The way of a question, in order.

Every answer ends in exactly one usage event, also when it fails half-way or its
reader leaves: tokens that were written are accounted for.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

from carrel.answering.checks import AnswerChecks
from carrel.answering.citations import cite
from carrel.answering.conversation import recent
from carrel.answering.events import Done, Event, Sources
from carrel.answering.evidence import Evidence, EvidenceFinder
from carrel.answering.question import Question
from carrel.domain.answer import Answer, FinishReason, TokenUsage
from carrel.domain.document import Passage
from carrel.domain.ids import AnswerId, new_id
from carrel.domain.usage import UsageEvent
from carrel.embedding.embedder import Embedder
from carrel.generation.generator import Delta, Finish, GenerationRequest, Generator
from carrel.telemetry import metrics
from carrel.telemetry.stages import Stages
from carrel.usage.ledger import Ledger
from carrel.usage.prices import Prices

NO_EVIDENCE = "I found nothing in the documents that answers this question."


class Pipeline:
    """Answers questions."""

    def __init__(
        self,
        *,
        evidence: EvidenceFinder,
        generator: Generator,
        embedder: Embedder,
        prices: Prices,
        ledger: Ledger,
    ) -> None:
        self._evidence = evidence
        self._generator = generator
        self._embedder = embedder
        self._prices = prices
        self._ledger = ledger

    @property
    def model(self) -> str:
        """The model that writes the answers."""
        return self._generator.model

    async def answer(self, question: Question, stages: Stages) -> AsyncGenerator[Event]:
        """`Sources`, then `Delta`s as they are written, then `Done`.

        Raises:
            Unavailable: retrieval failed; nothing is answered from a model's memory.
            GenerationFailed: the model refused, failed or stalled.
        """
        evidence = await self._evidence.find(question, stages)
        draft = _Draft(self._generator.model, evidence)
        try:
            if not draft.retrieval.relevant:
                draft.refuse()
                yield Sources(())
                yield Delta(draft.text)
            else:
                yield Sources(draft.sources)
                async with aclosing(self._generate(question, draft, stages)) as deltas:
                    async for delta in deltas:
                        yield delta
            draft.complete = True
        finally:
            usage = self._settle(question, draft, stages)
        yield Done(draft.finish(usage))

    async def _generate(
        self, question: Question, draft: "_Draft", stages: Stages
    ) -> AsyncGenerator[Delta]:
        request = GenerationRequest(
            question=question.text,
            passages=draft.sources,
            max_tokens=question.max_tokens,
            history=recent(question.history, self._evidence.context_tokens // 4),
            standalone=draft.standalone.text,
        )
        with stages.time("generate"):
            async with aclosing(self._generator.generate(request)) as parts:
                async for part in parts:
                    if isinstance(part, Finish):
                        draft.end(part)
                    else:
                        stages.mark("first_token")
                        if shown := draft.write(part.text):
                            yield Delta(shown)
            if shown := draft.write_rest():
                yield Delta(shown)

    def _settle(self, question: Question, draft: "_Draft", stages: Stages) -> TokenUsage:
        metrics.answers.labels(draft.finish_reason if draft.complete else "unfinished").inc()
        metrics.checked_out.labels("links").inc(draft.checks.links)
        metrics.checked_out.labels("marks").inc(draft.checks.marks)
        for stage, milliseconds in stages.milliseconds.items():
            metrics.stage_seconds.labels(stage).observe(milliseconds / 1000)
        usage = _with_embedding(
            draft.usage(self._embedder, self._prices), self._embedder, self._prices
        )
        self._ledger.record(
            UsageEvent(
                request_id=question.request_id,
                tenant_id=question.tenant_id,
                key_id=question.key_id,
                at=datetime.now(UTC),
                route=question.route,
                model=draft.model,
                cache_status="miss",
                usage=usage,
            )
        )
        return usage


def _with_embedding(usage: TokenUsage, embedder: Embedder, prices: Prices) -> TokenUsage:
    """*usage* with what its embedded tokens cost; unknown, where the model's price is."""
    if embedder.priced_as is None or not usage.embedding_tokens:
        return usage
    cost = prices.cost(embedder.priced_as, usage.embedding_tokens, 0)
    if cost is None or usage.cost_micro_usd is None:
        return replace(usage, cost_micro_usd=None)
    return replace(usage, cost_micro_usd=usage.cost_micro_usd + cost)


class _Draft:
    """An answer while it is being written."""

    def __init__(self, model: str, evidence: Evidence) -> None:
        self.id = AnswerId(new_id("ans"))
        self.model = model
        self.retrieval = evidence.retrieval
        self.standalone = evidence.standalone
        self.sources: tuple[Passage, ...] = self.retrieval.passages
        self.pieces: list[str] = []
        self.checks = AnswerChecks(self.sources)
        self._written: list[str] = []  # by the generator, whatever is shown of it
        self.finish_reason: FinishReason = "stop"
        self.complete = False
        self._finish: Finish | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def refuse(self) -> None:
        """Nothing relevant was found: say so, and ask no model."""
        self.pieces.append(NO_EVIDENCE)
        self.sources = ()
        self.finish_reason = "no_evidence"

    def write(self, text: str) -> str:
        """Take in what the generator wrote; returns what of it can be shown by now."""
        self._written.append(text)
        return self._show(self.checks.feed(text))

    def write_rest(self) -> str:
        """What was held back until the end."""
        return self._show(self.checks.close())

    def _show(self, text: str) -> str:
        self.pieces.append(text)
        return text

    def end(self, finish: Finish) -> None:
        self._finish = finish
        self.model = finish.model
        self.finish_reason = finish.finish_reason

    def usage(self, embedder: Embedder, prices: Prices) -> TokenUsage:
        embedded = self.retrieval.embedding_tokens
        prompt, written = self._tokens(embedder)
        prompt += self.standalone.prompt_tokens
        written += self.standalone.completion_tokens
        if not prompt and not written:  # no model was asked, so no price is needed
            return TokenUsage(embedding_tokens=embedded)
        return TokenUsage(prompt, written, embedded, prices.cost(self.model, prompt, written))

    def _tokens(self, embedder: Embedder) -> tuple[int, int]:
        if self.finish_reason == "no_evidence":
            return 0, 0
        if self._finish is not None:
            return self._finish.prompt_tokens, self._finish.completion_tokens
        # Cut off before the model reported: count what it read and wrote.
        read = sum(embedder.count_tokens(passage.text) for passage in self.sources)
        return read, embedder.count_tokens("".join(self._written))

    def finish(self, usage: TokenUsage) -> Answer:
        return Answer(
            id=self.id,
            text=self.text,
            model=self.model,
            finish_reason=self.finish_reason,
            citations=cite(self.text, self.sources),
            sources=self.sources,
            usage=usage,
        )
