"""Answers in this process's memory: as many as fit, the longest unused make room."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from carrel.caching.bounded import Bounded
from carrel.caching.entry import Entry, decode, encode
from carrel.caching.fingerprint import Fingerprint
from carrel.caching.store import Dropped
from carrel.domain.ids import AnswerId, DocumentId, TenantId
from carrel.lately import Lately

# What a kept answer takes besides its bytes: keys, ids, and their places in dictionaries.
OVERHEAD_BYTES = 1_200

_Key = tuple[TenantId, Fingerprint]


@dataclass(frozen=True, slots=True)
class _Kept:
    data: bytes
    answer_id: AnswerId
    documents: frozenset[int]  # hashes: two documents that share one are forgotten together
    ends_at: float


class MemoryAnswers:
    """An `AnswerStore` of at most *max_bytes*; each answer is kept for *ttl_seconds*."""

    def __init__(
        self, *, max_bytes: int, ttl_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._decoded: Lately[bytes, Entry] = Lately()
        self._kept: Bounded[_Key, _Kept] = Bounded(
            max_bytes, what="answers", dropped=self._forget_id
        )
        self._named: dict[tuple[TenantId, AnswerId], Fingerprint] = {}

    async def get(self, tenant_id: TenantId, name: Fingerprint) -> Entry | None:
        kept = self._kept.get((tenant_id, name))
        if kept is None:
            return None
        if kept.ends_at <= self._clock():
            self._kept.remove((tenant_id, name))
            return None
        return self._decoded.of(kept.data, partial(decode, kept.data))

    async def find(self, tenant_id: TenantId, answer_id: AnswerId) -> Entry | None:
        name = self._named.get((tenant_id, answer_id))
        entry = await self.get(tenant_id, name) if name is not None else None
        # Another answer may have taken its place.
        return entry if entry and entry.answer.id == answer_id else None

    async def put(self, tenant_id: TenantId, name: Fingerprint, entry: Entry) -> None:
        documents = frozenset(hash(each.document_id) for each in entry.answer.sources)
        ends_at = self._clock() + self._ttl_seconds
        kept = _Kept(encode(entry), entry.answer.id, documents, ends_at)
        self._named[tenant_id, kept.answer_id] = name
        self._kept.put((tenant_id, name), kept, len(kept.data) + OVERHEAD_BYTES)
        if self._kept.get((tenant_id, name)) is None:  # it was too large
            self._forget_id((tenant_id, name), kept)

    async def drop(self, tenant_id: TenantId, answer_id: AnswerId) -> Dropped | None:
        name = self._named.get((tenant_id, answer_id))
        entry = await self.find(tenant_id, answer_id)
        if name is None or entry is None:
            return None
        self._kept.remove((tenant_id, name))
        return Dropped(name, entry)

    async def drop_document(self, tenant_id: TenantId, document_id: DocumentId) -> None:
        wanted = hash(document_id)
        for key in self._of(tenant_id):
            kept = self._kept.get(key)
            if kept and wanted in kept.documents:
                self._kept.remove(key)

    async def clear(self, tenant_id: TenantId) -> None:
        for key in self._of(tenant_id):
            self._kept.remove(key)

    async def count(self, tenant_id: TenantId) -> int:
        return len(self._of(tenant_id))

    def _of(self, tenant_id: TenantId) -> list[_Key]:
        return [key for key in self._kept.keys if key[0] == tenant_id]

    def _forget_id(self, key: _Key, kept: _Kept) -> None:
        self._named.pop((key[0], kept.answer_id), None)
