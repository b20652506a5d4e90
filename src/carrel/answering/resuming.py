"""Streams that broke are read on: from the generation's log, or from the answer that is kept.

Nobody reads on by an answer's id alone: who does is of the same tenant, sees every document
that the asker could, and is given nothing that was written from a document that is gone.
"""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from carrel.answering.events import Event, Placed, Restart, Sources, placed
from carrel.answering.kept_question import KeptQuestion
from carrel.answering.pipeline import Pipeline
from carrel.answering.question import Question
from carrel.answering.reuse import Reuse
from carrel.answering.shared import SharedAnswers
from carrel.database.engine import Database
from carrel.domain.answer import Answer
from carrel.domain.document import Passage
from carrel.domain.errors import NotFound
from carrel.domain.ids import AnswerId, KeyId, RequestId, TenantId
from carrel.domain.tenant import SemanticCache
from carrel.generations.events import START, Offset
from carrel.limits.ticket import Ticket
from carrel.retrieval.visibility import live_documents
from carrel.telemetry.stages import Stages

GONE = "no such answer, or no longer"


@dataclass(frozen=True, slots=True)
class Resumption:
    """A caller's wish to read on an answer *after* an offset; `START`: from its beginning."""

    tenant_id: TenantId
    key_id: KeyId
    groups: tuple[str, ...]
    request_id: RequestId
    answer_id: AnswerId
    after: Offset = START
    semantic_cache: SemanticCache = "off"
    ticket: Ticket | None = None


class ResumedAnswers:
    """Answers that are read on. *pipeline* writes those that nobody writes any more."""

    def __init__(
        self, shared: SharedAnswers, reuse: Reuse | None, pipeline: Pipeline, database: Database
    ) -> None:
        self._shared = shared
        self._reuse = reuse
        self._pipeline = pipeline
        self._database = database

    async def events(self, wish: Resumption, stages: Stages) -> AsyncGenerator[Placed]:
        """What comes after `wish.after`, as it comes. `Restart` first: what was read is void.

        Raises:
            NotFound: the tenant has no such answer for the caller to see, or no longer.
            Unavailable, GenerationFailed, BudgetExhausted: as `Pipeline.answer` does.
        """
        found = await self._find(wish)
        if isinstance(found, KeptQuestion):
            events = self._written(found, wish, stages)
            async with aclosing(events):
                async for each in events:
                    yield each
            return
        for each in found:
            yield each

    async def _find(self, wish: Resumption) -> KeptQuestion | Sequence[Placed]:
        """What is being written, or was not long ago; or all that is left of a kept answer."""
        was_kept = wish.after.attempt == 0 and wish.after != START
        if was_kept and (answer := await self._kept(wish)):
            return placed(answer)[wish.after.number :]
        asked = await self._shared.asked(wish.tenant_id, wish.answer_id)
        if asked is not None:
            if not asked.is_for(wish.groups):
                raise NotFound(GONE)
            return asked
        if answer := await self._kept(wish):
            return _whole(answer, wish.after)
        raise NotFound(GONE)

    def _written(
        self, asked: KeptQuestion, wish: Resumption, stages: Stages
    ) -> AsyncGenerator[Placed]:
        question = _question(asked, wish)

        async def produce(answer_id: AnswerId) -> AsyncGenerator[Event]:
            lookup = await self._pipeline.look_up(question, stages)
            written = self._pipeline.produce(question, stages, lookup, answer_id)
            async with aclosing(written):
                async for event in written:
                    yield event

        async def check(sources: Sources) -> None:
            await self._check_seen(wish, sources.passages)

        return self._shared.resumed(
            question, wish.answer_id, produce, after=wish.after, check=check
        )

    async def _kept(self, wish: Resumption) -> Answer | None:
        entry = await self._reuse.found(wish.tenant_id, wish.answer_id) if self._reuse else None
        if entry is None or not _is_for(entry.groups, wish.groups):
            return None
        return entry.answer  # of the corpus as it is now, so its documents are there

    async def _check_seen(self, wish: Resumption, passages: Collection[Passage]) -> None:
        """Raises `NotFound` unless all *passages* are there, and for the caller to see."""
        ids = {each.document_id for each in passages}
        live = await live_documents(self._database, wish.tenant_id, ids, wish.groups)
        for each in passages:
            if each.document_id not in live or live[each.document_id].version != each.version:
                raise NotFound(GONE)


def _is_for(askers: Collection[str] | None, groups: Collection[str]) -> bool:
    return askers is not None and set(askers) <= set(groups)


def _whole(answer: Answer, after: Offset) -> list[Placed]:
    """The events of a kept answer, for who was given it in other pieces, up to *after*."""
    if after == START:
        return [*placed(answer)]
    attempt = after.attempt + 1
    return [Placed(Restart(), Offset(attempt, 0)), *placed(answer, attempt)]


def _question(asked: KeptQuestion, wish: Resumption) -> Question:
    return Question(
        tenant_id=wish.tenant_id,
        key_id=wish.key_id,
        request_id=wish.request_id,
        route=asked.route,
        text=asked.text,
        top_k=asked.top_k,
        max_tokens=asked.max_tokens,
        where=asked.conditions(),
        history=asked.history,
        groups=asked.groups,
        cache=asked.cache,
        semantic_cache=wish.semantic_cache,
        ticket=wish.ticket,
        resumable=True,
    )
