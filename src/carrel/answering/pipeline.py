"""The way of a question, in order.

Every answer ends in exactly one usage event, also when it fails half-way or its
reader leaves: tokens that were written are accounted for.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from functools import lru_cache

from carrel.answering.events import Done, Event, Placed, events_of
from carrel.answering.evidence import Evidence, EvidenceFinder, with_tokens
from carrel.answering.question import Question
from carrel.answering.reuse import Lookup, Reuse, served_again
from carrel.answering.settling import Outcome, settle, with_embedding
from carrel.answering.shared import SharedAnswers
from carrel.answering.similar import Near, SimilarAnswers
from carrel.answering.writing import Writing
from carrel.caching.entry import Entry
from carrel.domain.answer import Answer, TokenUsage
from carrel.domain.errors import Unavailable
from carrel.domain.ids import AnswerId, new_id
from carrel.embedding.embedder import Embedder
from carrel.generation.generator import Generator
from carrel.limits.door import Door, Slot
from carrel.telemetry.stages import Stages
from carrel.usage.ledger import Ledger
from carrel.usage.prices import NOTHING, Prices

_NO_USAGE = TokenUsage()
REMEMBERED_COUNTS = 1_000  # texts, of at most 10,000 characters


class Pipeline:
    """Answers questions."""

    def __init__(
        self,
        *,
        reuse: Reuse | None,
        similar: SimilarAnswers | None,
        shared: SharedAnswers,
        evidence: EvidenceFinder,
        generator: Generator,
        embedder: Embedder,
        prices: Prices,
        ledger: Ledger,
        passage_tokens: int,
        door: Door,
    ) -> None:
        self._reuse = reuse
        self._similar = similar
        self._shared = shared
        self._evidence = evidence
        self._generator = generator
        self._prices = prices
        self._ledger = ledger
        self._passage_tokens = passage_tokens
        self._door = door
        self._writing = Writing(
            generator,
            embedder=embedder,
            prices=prices,
            ledger=ledger,
            context_tokens=evidence.context_tokens,
        )
        self._count_tokens = lru_cache(REMEMBERED_COUNTS)(embedder.count_tokens)

    @property
    def model(self) -> str:
        """The model that is asked first."""
        return self._generator.model

    @property
    def models(self) -> tuple[str, ...]:
        """All models that may write answers."""
        return self._generator.models

    def tokens_at_most(self, question: Question) -> int:
        """An estimate of the tokens that an answer takes, before anything is retrieved."""
        asked = self._count_tokens(question.text)
        asked += sum(self._count_tokens(each.content) for each in question.history)
        if self._prices.dearest(self._writing.models_for(question)) == NOTHING:
            return asked
        return asked + question.top_k * self._passage_tokens + question.max_tokens

    async def look_up(self, question: Question, stages: Stages) -> Lookup | None:
        """What is kept of the answer to *question*; None: nothing is to be.

        Raises:
            Unavailable: the database does not answer.
        """
        if self._reuse is None or question.cache == "bypass":
            return None
        with stages.time("exact"):
            return await self._reuse.look_up(question)

    def check_room(self, question: Question, lookup: Lookup | None) -> None:
        """See, before anything is done for *question*, that there is a place for its answer.

        None is needed where it is kept, and may hold, or where others read it here already.

        Raises:
            Unavailable: there is none.
        """
        if lookup is None or not (lookup.entry or self._is_read(question, lookup)):
            self._door.check(question.tenant_id)

    async def answer(
        self, question: Question, stages: Stages, lookup: Lookup | None = None
    ) -> AsyncGenerator[Placed]:
        """`Sources`, then `Delta`s as they are written, then `Done`. *lookup* is `look_up`'s.

        Raises:
            Unavailable: retrieval failed; nothing is answered from a model's memory.
            GenerationFailed: the model refused, failed or stalled.
        """
        is_shared = lookup is not None and question.cache == "use"
        if not (is_shared or question.resumable):
            events = self.produce(question, stages, lookup, AnswerId(new_id("ans")))
            async with aclosing(events):
                async for event in events:
                    yield Placed(event)
            return

        def produce(answer_id: AnswerId) -> AsyncGenerator[Event]:
            return self.produce(question, stages, lookup, answer_id)

        # By a name that nobody else asks by, if it is nobody else's.
        name = lookup.name if lookup and is_shared else f"alone:{question.request_id}"
        shared = self._shared.events(question, name, produce, stages)
        async with aclosing(shared):
            async for each in shared:
                yield each

    async def produce(
        self, question: Question, stages: Stages, lookup: Lookup | None, answer_id: AnswerId
    ) -> AsyncGenerator[Event]:
        """The answer, made for this caller; it may be in time to find one that was just made.

        Else it is written, as the answer of that id.
        """
        if self._reuse and lookup and lookup.entry is None and question.cache == "use":
            lookup = await self._reuse.look_again(question, lookup)
            if lookup.entry and lookup.holds:
                given = await self.give_again(question, lookup.entry, stages)
                for event in events_of(given):
                    yield event
                return
        with self._door.slot(question.tenant_id) as slot:
            if lookup is None or lookup.entry is None:
                await _take(slot, question)
            # One that is kept, and may hold, takes a place only if it has to be written again.
            async with aclosing(self._make(question, stages, lookup, answer_id, slot)) as events:
                async for event in events:
                    yield event

    async def _make(
        self,
        question: Question,
        stages: Stages,
        lookup: Lookup | None,
        answer_id: AnswerId,
        slot: Slot,
    ) -> AsyncGenerator[Event]:
        looking = self._similar.look(question, lookup) if self._similar else None
        try:
            version = lookup.corpus_version if lookup else None
            evidence = await self._evidence.find(question, stages, version)
            near = await looking if looking else None
        finally:
            if looking:
                looking.cancel()
        evidence = with_tokens(evidence, near.embedding_tokens if near else 0)
        given = await self._given_before(question, lookup, near, evidence, stages)
        if given:
            for event in events_of(given):
                yield event
            return
        await _take(slot, question)
        parts = self._writing.write(question, evidence, stages, answer_id, slot)
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, Done):
                    await self._keep(question, lookup, near, part.answer, evidence)
                yield part

    async def _given_before(
        self,
        question: Question,
        lookup: Lookup | None,
        near: Near | None,
        evidence: Evidence,
        stages: Stages,
    ) -> Answer | None:
        """An answer to the same question, or to one that means the same, if it holds."""
        if self._reuse is None or lookup is None or not evidence.retrieval.relevant:
            return None
        usage = TokenUsage(embedding_tokens=evidence.retrieval.embedding_tokens)
        usage = with_embedding(usage, evidence.retrieval, self._prices)
        if entry := await self._reuse.holding_still(question, lookup, evidence.chunks):
            return await self.give_again(question, entry, stages, usage)
        if self._similar is None or near is None:
            return None
        if similar := await self._similar.holding(question, near, evidence.chunks):
            return await self.give_again(question, similar.entry, stages, usage, similar.similarity)
        return None

    async def _keep(
        self,
        question: Question,
        lookup: Lookup | None,
        near: Near | None,
        answer: Answer,
        evidence: Evidence,
    ) -> None:
        if self._reuse is None or lookup is None or answer.finish_reason == "no_evidence":
            return
        await self._reuse.keep(question, lookup, answer, evidence.chunks)
        if self._similar and near:
            self._similar.remember(question, lookup, near)

    async def give_again(
        self,
        question: Question,
        entry: Entry,
        stages: Stages,
        usage: TokenUsage = _NO_USAGE,
        similarity: float | None = None,
    ) -> Answer:
        """A kept answer, accounted for. *usage* is what it took to see that it holds."""
        status = "exact" if similarity is None else "semantic"
        answer = served_again(entry, status, usage, similarity)
        stages.mark("first_token")
        outcome = Outcome(
            at=datetime.now(UTC),
            model=answer.model,
            cache_status=answer.cache_status,
            finish_reason=answer.finish_reason,
            complete=True,
            usage=answer.usage,
        )
        await settle(question, outcome, self._ledger, stages)
        return answer

    def _is_read(self, question: Question, lookup: Lookup) -> bool:
        return question.cache == "use" and self._shared.is_read(question.tenant_id, lookup.name)


async def _take(slot: Slot, question: Question) -> None:
    """Raises `Unavailable`: there is no place, and no tokens are charged for the question."""
    try:
        slot.take()
    except Unavailable:
        if question.ticket is not None:
            await question.ticket.finish(tokens=0)
        raise
