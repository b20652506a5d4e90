"""Searches, remembered for as long as the tenant's corpus stays at one version.

What is remembered is one tenant's, for one set of groups. After `REMEMBERED_SECONDS` it
is searched anew all the same: a reranker that failed in between is not failed for ever.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, replace

import msgspec

from carrel.caching.bounded import Bounded
from carrel.caching.versions import CorpusVersions
from carrel.domain.filter import Filter
from carrel.domain.ids import TenantId
from carrel.retrieval.search import Retrieval, Retriever
from carrel.telemetry import metrics

REMEMBERED_SECONDS = 60.0
OVERHEAD_BYTES = 1_200

_Key = tuple[TenantId, tuple[str, ...], str, int, Filter]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Retrieval).decode


@dataclass(frozen=True, slots=True)
class _Found:
    data: bytes
    corpus_version: int
    ends_at: float


class Searches:
    """Searches of *retriever*; what they found is kept in at most *max_bytes*, 0: nothing."""

    def __init__(self, retriever: Retriever, versions: CorpusVersions, *, max_bytes: int) -> None:
        self._retriever = retriever
        self._versions = versions
        self._kept: Bounded[_Key, _Found] = Bounded(max_bytes, what="searches")
        self._keeps = max_bytes > 0

    async def search(
        self,
        tenant_id: TenantId,
        question: str,
        *,
        top_k: int,
        where: Filter = (),
        groups: Collection[str] = (),
        corpus_version: int | None = None,
        anew: bool = False,
    ) -> Retrieval:
        """The *top_k* best passages among those that *groups* may see.

        *corpus_version* is the tenant's, read for the same request; None: it is read here.
        *anew*: whatever is remembered.

        Raises:
            Unavailable: the embedder, the vector store or the database is down.
        """

        async def look() -> Retrieval:
            return await self._retriever.search(
                tenant_id, question, top_k=top_k, where=where, groups=groups
            )

        if anew or not self._keeps:
            return await look()
        if corpus_version is None:
            corpus_version = await self._versions.of(tenant_id)
        key = (tenant_id, tuple(sorted(groups)), question, top_k, where)
        found = self._kept.get(key)
        now = time.monotonic()
        if found and found.corpus_version == corpus_version and found.ends_at > now:
            metrics.cache_lookups.labels("retrieval", "hit").inc()
            return replace(_decode(found.data), embedding_tokens=0)
        metrics.cache_lookups.labels("retrieval", "miss").inc()
        retrieval = await look()
        data = _encode(retrieval)
        kept = _Found(data, corpus_version, now + REMEMBERED_SECONDS)
        self._kept.put(key, kept, len(data) + len(question) + OVERHEAD_BYTES)
        return retrieval

    def forget(self, tenant_id: TenantId) -> None:
        """Forget what was found for the tenant."""
        for key in [key for key in self._kept.keys if key[0] == tenant_id]:
            self._kept.remove(key)
