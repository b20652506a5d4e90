"""Answers that were given before: found again, and served only while they hold.

An answer holds while the tenant's corpus is at the version it was found to hold at. Of a
changed corpus the passages are searched again: if they are the evidence that the answer
was written from, it holds still. Otherwise it is not served, and the new one replaces it.
"""

import hashlib
import time
from dataclasses import dataclass, replace

from carrel.answering.question import Question
from carrel.caching.entry import Entry, Evidence
from carrel.caching.fingerprint import Fingerprint, fingerprint
from carrel.caching.store import AnswerStore
from carrel.caching.versions import CorpusVersions
from carrel.domain.answer import Answer, CacheStatus, TokenUsage
from carrel.domain.errors import Unavailable
from carrel.domain.ids import AnswerId, TenantId
from carrel.telemetry import metrics


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is kept under a question's *name*, and the version its corpus is at.

    The version was read before anything is searched: whatever is found is of it, or newer.
    """

    name: Fingerprint
    scope: Fingerprint  # of everything but the question's words
    corpus_version: int
    entry: Entry | None

    @property
    def holds(self) -> bool:
        """Whether the answer can be served as it is."""
        return self.entry is not None and self.entry.corpus_version == self.corpus_version


class Reuse:
    """Keeps answers in *store*; *setup* names what on this server an answer depends on."""

    def __init__(self, store: AnswerStore, versions: CorpusVersions, *, setup: str) -> None:
        self._store = store
        self._versions = versions
        # Of any length; only its name goes into each fingerprint.
        self._setup = hashlib.sha256(setup.encode()).hexdigest()

    async def look_up(self, question: Question) -> Lookup:
        """The answer that is kept for *question*, if it may be used.

        Raises:
            Unavailable: the database does not answer.
        """
        name = self._name(question, question.text)
        scope = self._name(question, "") if question.semantic_cache != "off" else Fingerprint("")
        version = await self._versions.of(question.tenant_id)
        entry = await self._entry(question, name) if question.cache == "use" else None
        lookup = Lookup(name, scope, version, entry)
        if question.cache == "use" and (lookup.holds or entry is None):
            metrics.cache_lookups.labels("exact", "hit" if lookup.holds else "miss").inc()
        return lookup

    async def look_again(self, question: Question, lookup: Lookup) -> Lookup:
        """*lookup* as it is now: somebody may have been answered since."""
        entry = await self._entry(question, lookup.name)
        if entry is None:
            return lookup
        return replace(
            lookup, entry=entry, corpus_version=await self._versions.of(question.tenant_id)
        )

    async def found(self, tenant_id: TenantId, answer_id: AnswerId) -> Entry | None:
        """The answer of that id, if it is kept, and holds in the corpus as it is now.

        Raises:
            Unavailable: the database does not answer.
        """
        try:
            entry = await self._store.find(tenant_id, answer_id)
        except Unavailable:
            return None
        if entry is None or entry.corpus_version != await self._versions.of(tenant_id):
            return None
        return entry

    async def holding_still(
        self, question: Question, lookup: Lookup, found: Evidence
    ) -> Entry | None:
        """The answer, if what was *found* in a changed corpus is its evidence; then marked so."""
        entry = lookup.entry
        if entry is None:
            return None
        same = entry.evidence == found
        metrics.cache_lookups.labels("exact", "fresh" if same else "stale").inc()
        if not same:
            return None
        fresh = replace(entry, corpus_version=lookup.corpus_version)
        await self._put(question, lookup.name, fresh)
        return fresh

    async def keep(
        self, question: Question, lookup: Lookup, answer: Answer, evidence: Evidence
    ) -> None:
        """Keep a finished *answer* that was written from *evidence*."""
        cost = answer.usage.cost_micro_usd or 0
        entry = Entry(
            answer,
            evidence,
            lookup.corpus_version,
            time.time(),
            cost,
            question=question.text,
            scope=lookup.scope,
            groups=question.groups,
        )
        await self._put(question, lookup.name, entry)

    def _name(self, question: Question, text: str) -> Fingerprint:
        return fingerprint(
            question.tenant_id,
            text,
            groups=question.groups,
            history=question.history,
            where=question.where,
            top_k=question.top_k,
            max_tokens=question.max_tokens,
            setup=f"{self._setup}\n{question.model or ''}",
        )

    async def _entry(self, question: Question, name: Fingerprint) -> Entry | None:
        try:
            return await self._store.get(question.tenant_id, name)
        except Unavailable:
            return None

    async def _put(self, question: Question, name: Fingerprint, entry: Entry) -> None:
        try:
            await self._store.put(question.tenant_id, name, entry)
        except Unavailable:
            return  # an answer that is not kept is made again


def served_again(
    entry: Entry, status: CacheStatus, usage: TokenUsage, similarity: float | None = None
) -> Answer:
    """The answer as it is given this time; *usage* is what giving it took."""
    metrics.cache_saved.labels(status).inc(entry.cost_micro_usd)
    age = max(0.0, time.time() - entry.made_at)
    metrics.cache_age_seconds.labels(status).observe(age)
    # Written out: `dataclasses.replace` takes ten times as long.
    answer = entry.answer
    return Answer(
        id=answer.id,
        text=answer.text,
        model=answer.model,
        finish_reason=answer.finish_reason,
        citations=answer.citations,
        sources=answer.sources,
        usage=TokenUsage(
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.embedding_tokens,
            usage.cost_micro_usd,
            saved_micro_usd=entry.cost_micro_usd,
        ),
        cache_status=status,
        cache_age_seconds=int(age),
        cache_similarity=similarity,
    )
