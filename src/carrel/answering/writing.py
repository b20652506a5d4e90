"""The writing of an answer from its evidence: reserved, generated, checked, settled.

Every answer that is begun ends in exactly one usage event, also when it fails half-way or
its reader leaves: tokens that were written are accounted for.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from carrel.answering.conversation import recent
from carrel.answering.draft import Draft
from carrel.answering.events import Done, Event, Sources
from carrel.answering.evidence import Evidence
from carrel.answering.question import Question
from carrel.answering.settling import Outcome, settle, with_embedding
from carrel.answering.spending import affordable_tokens
from carrel.domain.answer import TokenUsage
from carrel.domain.errors import GenerationFailed
from carrel.domain.ids import AnswerId
from carrel.embedding.embedder import Embedder
from carrel.generation.generator import Asking, Delta, Finish, GenerationRequest, Generator
from carrel.limits.door import Slot
from carrel.telemetry import metrics
from carrel.telemetry.stages import Stages
from carrel.usage.entry import Entry
from carrel.usage.ledger import Ledger
from carrel.usage.prices import Prices


class Writing:
    """Writes answers with *generator*, and accounts for them."""

    def __init__(
        self,
        generator: Generator,
        *,
        embedder: Embedder,
        prices: Prices,
        ledger: Ledger,
        context_tokens: int,
    ) -> None:
        self._generator = generator
        self._embedder = embedder
        self._prices = prices
        self._ledger = ledger
        self._context_tokens = context_tokens

    def models_for(self, question: Question) -> tuple[str, ...]:
        """The models that may answer *question*."""
        return (question.model,) if question.model else self._generator.models

    async def write(
        self,
        question: Question,
        evidence: Evidence,
        stages: Stages,
        answer_id: AnswerId,
        slot: Slot,
    ) -> AsyncGenerator[Event]:
        """`Sources`, `Delta`s, `Done` of the answer of that id; *slot* is told of the first text.

        Raises:
            GenerationFailed: the model refused, failed or stalled.
            BudgetExhausted, Unavailable: see `affordable_tokens`.
        """
        draft = Draft(answer_id, question.model or self._generator.model, evidence)
        try:
            if not draft.retrieval.relevant:
                draft.refuse()
                yield Sources((), draft.id)
                yield Delta(draft.text)
            else:
                # Money first: a stream that has begun is not refused for the want of it.
                request = await self._paid_for(question, draft, stages)
                yield Sources(draft.sources, draft.id)
                deltas = self._generate(question, draft, request, stages, slot)
                async with aclosing(deltas):
                    async for delta in deltas:
                        yield delta
            draft.complete = True
        except GenerationFailed as error:
            draft.failed(error)
            raise
        finally:
            usage = await self._settle(question, draft, stages)
        yield Done(draft.finish(usage))

    async def _paid_for(
        self, question: Question, draft: Draft, stages: Stages
    ) -> GenerationRequest:
        """What the model is to be asked; it can be paid for."""
        request = GenerationRequest(
            question=question.text,
            passages=draft.sources,
            max_tokens=question.max_tokens,
            model=question.model,
            history=recent(question.history, self._context_tokens // 4),
            standalone=draft.standalone.text,
        )
        draft.will_ask(self._generator.prompt_tokens(request))
        if question.ticket is None:
            return request
        with stages.time("reserve"):
            affordable = await affordable_tokens(
                question.ticket,
                self._prices,
                self.models_for(question),
                prompt_tokens=draft.tokens_of_prompt * self._generator.prompts_at_most,
                max_tokens=question.max_tokens,
            )
        return replace(request, max_tokens=affordable)

    async def _generate(
        self,
        question: Question,
        draft: Draft,
        request: GenerationRequest,
        stages: Stages,
        slot: Slot,
    ) -> AsyncGenerator[Delta]:
        draft.ask()
        entry = self._open(question, draft, request)
        begun = False
        with stages.time("generate"):
            async with aclosing(self._generator.generate(request)) as parts:
                async for part in parts:
                    if isinstance(part, Finish):
                        draft.end(part)
                    elif isinstance(part, Asking):
                        draft.ask_another(part)
                        entry = self._open(question, draft, request)
                    else:
                        if not begun:
                            begun = True
                            stages.mark("first_token")
                            slot.began()
                        entry.wrote(part.text)
                        if shown := draft.write(part.text):
                            yield Delta(shown)
            if shown := draft.write_rest():
                yield Delta(shown)

    def _open(self, question: Question, draft: Draft, request: GenerationRequest) -> Entry:
        price = self._prices.of(draft.model)
        return self._ledger.open(draft.opened(question, request.max_tokens, price))

    async def _settle(self, question: Question, draft: Draft, stages: Stages) -> TokenUsage:
        metrics.checked_out.labels("links").inc(draft.checks.links)
        metrics.checked_out.labels("marks").inc(draft.checks.marks)
        usage = draft.usage(self._embedder, self._prices)
        usage = with_embedding(usage, draft.retrieval, self._prices)
        outcome = Outcome(
            at=draft.at,
            model=draft.model,
            cache_status="miss",
            finish_reason=draft.finish_reason,
            complete=draft.complete,
            usage=usage,
        )
        await settle(question, outcome, self._ledger, stages)
        return usage
