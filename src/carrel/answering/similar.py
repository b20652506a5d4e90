"""Answers to questions that mean the same: looked for while passages are, and held against them.

A tenant asks for it. A question within a conversation is not looked up: what it means is
in what was said before it.
"""

import asyncio
import contextlib
from dataclasses import dataclass

from carrel.answering.question import Question
from carrel.answering.reuse import Lookup
from carrel.caching.entry import Entry, Evidence
from carrel.caching.fingerprint import Fingerprint
from carrel.caching.semantic import Asked, Candidate, SemanticIndex
from carrel.caching.store import AnswerStore
from carrel.domain.errors import CarrelError, IsolationViolation, Unavailable
from carrel.domain.ids import TenantId
from carrel.embedding.embedder import Meter
from carrel.retrieval.search import Retriever
from carrel.telemetry import metrics, trace


@dataclass(frozen=True, slots=True)
class Near:
    """A question as it is compared, and the cached ones that seem to ask the same."""

    asked: Asked
    candidates: list[Candidate]
    embedding_tokens: int


@dataclass(frozen=True, slots=True)
class Similar:
    """An answer that was given to a question that means the same."""

    entry: Entry
    similarity: float


class SimilarAnswers:
    """Finds answers by what was asked for: *index* has the questions, *store* the answers."""

    def __init__(self, index: SemanticIndex, retriever: Retriever, store: AnswerStore) -> None:
        self._index = index
        self._retriever = retriever
        self._store = store

    def look(self, question: Question, lookup: Lookup | None) -> "asyncio.Task[Near | None] | None":
        """Begin to look for *question*, if its tenant wants that; the task never raises much.

        None in place of a `Near`: the question can't be compared.
        """
        if question.semantic_cache == "off" or lookup is None or question.history:
            return None
        return asyncio.create_task(self._near(question, lookup.scope))

    async def holding(self, question: Question, near: Near, found: Evidence) -> Similar | None:
        """The most similar question's answer that what was *found* now is the evidence of."""
        if question.cache != "use":
            return None
        for candidate in near.candidates:
            entry = await self._entry(question.tenant_id, candidate.key)
            if entry is None:  # its time is over
                with contextlib.suppress(CarrelError):
                    await self._index.forget(question.tenant_id, candidate.key)
            elif _holds(entry, found, strict=question.semantic_cache == "strict"):
                metrics.cache_lookups.labels("semantic", "hit").inc()
                return Similar(entry, candidate.similarity)
        metrics.cache_lookups.labels("semantic", "miss").inc()
        return None

    def remember(self, question: Question, lookup: Lookup, near: Near) -> None:
        """Have the question found from now on, in the background."""
        self._index.remember_soon(question.tenant_id, lookup.name, near.asked)

    async def forget(self, tenant_id: TenantId, name: Fingerprint, entry: Entry) -> None:
        """Have the question of a dropped answer not found again, nor those that are like it.

        Raises:
            Unavailable: the vector store, the embedder or the database is down.
        """
        await self._index.forget(tenant_id, name)
        vector, identity = await self._retriever.embed(tenant_id, entry.question, Meter())
        await self._index.forget_near(
            tenant_id, Asked(entry.scope, entry.question, vector, identity)
        )

    async def close(self) -> None:
        """Let what is being written come to its end."""
        await self._index.close()

    async def _near(self, question: Question, scope: str) -> Near | None:
        meter = Meter()
        try:
            with trace.span("semantic"):
                vector, identity = await self._retriever.embed(
                    question.tenant_id, question.text, meter
                )
                asked = Asked(scope, question.text, vector, identity)
                near = await self._index.nearest(question.tenant_id, asked)
            return Near(asked, near, meter.tokens)
        except IsolationViolation:
            raise
        except CarrelError:  # the search for passages meets the same, and says it
            return None

    async def _entry(self, tenant_id: TenantId, key: str) -> Entry | None:
        try:
            return await self._store.get(tenant_id, Fingerprint(key))
        except Unavailable:
            return None


def _holds(entry: Entry, found: Evidence, *, strict: bool) -> bool:
    """Whether an answer may be given for what was *found*.

    Strictly: the passages are those that it was written from. Else: every passage that it
    cites is among them, unchanged.
    """
    if strict:
        return entry.evidence == found
    cited = {citation.chunk_id for citation in entry.answer.citations}
    needed = {each for each in entry.evidence if each[0] in cited}
    return bool(cited) and len(needed) == len(cited) and needed <= found
