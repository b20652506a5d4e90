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
from carrel.answering.spending import affordable_tokens
from carrel.domain.answer import Answer, FinishReason, TokenUsage
from carrel.domain.document import Passage
from carrel.domain.errors import GenerationFailed
from carrel.domain.ids import AnswerId, new_id
from carrel.domain.usage import UsageEvent
from carrel.embedding.embedder import Embedder
from carrel.generation.generator import Delta, Finish, GenerationRequest, Generator
from carrel.retrieval.search import Retrieval
from carrel.telemetry import metrics
from carrel.telemetry.stages import Stages
from carrel.usage.journal import Opened
from carrel.usage.ledger import Ledger
from carrel.usage.prices import NOTHING, Prices

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
        passage_tokens: int,
    ) -> None:
        self._evidence = evidence
        self._generator = generator
        self._embedder = embedder
        self._prices = prices
        self._ledger = ledger
        self._passage_tokens = passage_tokens

    @property
    def model(self) -> str:
        """The model that writes the answers."""
        return self._generator.model

    def tokens_at_most(self, question: Question) -> int:
        """An estimate of the tokens that an answer takes, before anything is retrieved."""
        asked = self._embedder.count_tokens(question.text)
        asked += sum(self._embedder.count_tokens(each.content) for each in question.history)
        if self._prices.of(self._generator.model) == NOTHING:
            return asked
        return asked + question.top_k * self._passage_tokens + question.max_tokens

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
        except GenerationFailed as error:
            draft.failed(error)
            raise
        finally:
            usage = await self._settle(question, draft, stages)
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
        prompt_tokens = self._generator.prompt_tokens(request)
        draft.at = datetime.now(UTC)
        if question.ticket is not None:
            with stages.time("reserve"):
                affordable = await affordable_tokens(
                    question.ticket,
                    self._prices,
                    self._generator.model,
                    prompt_tokens=prompt_tokens,
                    max_tokens=question.max_tokens,
                )
            request = replace(request, max_tokens=affordable)
        draft.ask(prompt_tokens)
        entry = self._ledger.open(self._opened(question, draft, request.max_tokens))
        with stages.time("generate"):
            async with aclosing(self._generator.generate(request)) as parts:
                async for part in parts:
                    if isinstance(part, Finish):
                        draft.end(part)
                    else:
                        stages.mark("first_token")
                        entry.wrote(part.text)
                        if shown := draft.write(part.text):
                            yield Delta(shown)
            if shown := draft.write_rest():
                yield Delta(shown)

    def _opened(self, question: Question, draft: "_Draft", max_tokens: int) -> Opened:
        return Opened(
            request_id=question.request_id,
            tenant_id=question.tenant_id,
            key_id=question.key_id,
            at=draft.at,
            route=question.route,
            model=draft.model,
            prompt_tokens=draft.prompt_tokens,
            max_tokens=max_tokens,
            embedding_tokens=draft.retrieval.embedding_tokens,
            price=self._prices.of(draft.model),
        )

    async def _settle(self, question: Question, draft: "_Draft", stages: Stages) -> TokenUsage:
        metrics.answers.labels(draft.finish_reason if draft.complete else "unfinished").inc()
        metrics.checked_out.labels("links").inc(draft.checks.links)
        metrics.checked_out.labels("marks").inc(draft.checks.marks)
        for stage, milliseconds in stages.milliseconds.items():
            metrics.stage_seconds.labels(stage).observe(milliseconds / 1000)
        usage = _with_embedding(
            draft.usage(self._embedder, self._prices), draft.retrieval, self._prices
        )
        stages.facts.update(
            cache="miss",
            finish_reason=draft.finish_reason if draft.complete else "unfinished",
            model=draft.model,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            embedding_tokens=usage.embedding_tokens,
            cost_micro_usd=usage.cost_micro_usd,
            saved_micro_usd=usage.saved_micro_usd,
        )
        event = UsageEvent(
            request_id=question.request_id,
            tenant_id=question.tenant_id,
            key_id=question.key_id,
            at=draft.at,
            route=question.route,
            model=draft.model,
            cache_status="miss",
            usage=usage,
            unfinished=not draft.complete,
        )
        try:
            # First: what is in the ledger and still held would count twice.
            if question.ticket is not None:
                await question.ticket.finish(
                    spent_micro_usd=usage.cost_micro_usd or 0,
                    tokens=usage.prompt_tokens + usage.completion_tokens,
                )
        finally:
            self._ledger.record(event)
        return usage


def _with_embedding(usage: TokenUsage, retrieval: Retrieval, prices: Prices) -> TokenUsage:
    """*usage* with what its embedded tokens cost; unknown, where the model's price is."""
    if retrieval.embedding_priced_as is None or not usage.embedding_tokens:
        return usage
    cost = prices.cost(retrieval.embedding_priced_as, usage.embedding_tokens, 0)
    if cost is None or usage.cost_micro_usd is None:
        return replace(usage, cost_micro_usd=None)
    return replace(usage, cost_micro_usd=usage.cost_micro_usd + cost)


class _Draft:
    """An answer while it is being written."""

    def __init__(self, model: str, evidence: Evidence) -> None:
        self.id = AnswerId(new_id("ans"))
        self.at = datetime.now(UTC)  # in whose day and month it counts
        self.model = model
        self.retrieval = evidence.retrieval
        self.standalone = evidence.standalone
        self.sources: tuple[Passage, ...] = self.retrieval.passages
        self.pieces: list[str] = []
        self.checks = AnswerChecks(self.sources)
        self._written: list[str] = []  # by the generator, whatever is shown of it
        self.finish_reason: FinishReason = "stop"
        self.complete = False
        self.prompt_tokens = 0
        self._finish: Finish | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def refuse(self) -> None:
        """Nothing relevant was found: say so, and ask no model."""
        self.pieces.append(NO_EVIDENCE)
        self.sources = ()
        self.finish_reason = "no_evidence"

    def ask(self, prompt_tokens: int) -> None:
        """A model is asked: from here on it charges for the prompt, however this ends."""
        self.prompt_tokens = prompt_tokens

    def failed(self, error: GenerationFailed) -> None:
        if not error.billable and not self._written:
            self.prompt_tokens = 0

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
        # Cut off before the model reported.
        return self.prompt_tokens, embedder.count_tokens("".join(self._written))

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
