"""Cached questions in a tenant's own vectors, to find those that ask the same as a new one.

A cached question lies aside, under the word that is its scope: it is found by questions of its
tenant and its scope, and by nothing else, whatever is searched for. It is gone with its tenant, by
construction, and stays behind when the tenant moves.

Each question has one of `slots` places in its tenant, which its key tells: a newer one takes the
place of an older one, so there are never more, and each can be forgotten without a search.

What is found is a candidate. Whether its answer is still what the documents say is for
whoever holds the answers to find out.
"""

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from carrel.caching.guards.agreement import disagreement, stands_alone
from carrel.domain.document import Chunk
from carrel.domain.errors import CarrelError, IsolationViolation
from carrel.domain.ids import DocumentId, TenantId
from carrel.domain.vector import DenseVector, SparseVector
from carrel.placement.homes import Homes
from carrel.telemetry import metrics
from carrel.vectors.schema import ASIDE
from carrel.vectors.store import Point, TenantVectors

log = logging.getLogger(__name__)

SLOTS = 2_000  # of one tenant: with 384 dimensions some 5 MB
NEAREST = 5  # candidates that are looked at
FORGOTTEN_AT_ONCE = 50  # neighbours of an answer that was called wrong
WRITES_AT_ONCE = 32  # what comes beyond is not remembered: it is a cache
WRITE_SECONDS = 5.0

_DOCUMENT = DocumentId(f"{ASIDE}asked")
_NO_WORDS = SparseVector([], [])


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it stands alone, with its vector by the embedder of this identity.

    Only questions of equal *scope* are compared: it stands for all that an answer depends
    on besides the question and the documents (groups, filter, model, prompt, …).
    """

    scope: str
    text: str
    vector: DenseVector
    embedder: str


class Candidate(NamedTuple):
    """A cached question that seems to ask the same; `similarity` is the cosine of both."""

    key: str
    question: str
    similarity: float


class SemanticIndex:
    """The cached questions of all tenants.

    *thresholds*: by the embedders' identities, the least cosine of two questions that may ask the
    same. Questions of an embedder without one are neither remembered nor found.
    """

    def __init__(
        self, homes: Homes, thresholds: Mapping[str, float], *, slots: int = SLOTS
    ) -> None:
        self._homes = homes
        self._thresholds = thresholds
        self._slots = slots
        self._writing: set[asyncio.Task[None]] = set()

    async def nearest(self, tenant_id: TenantId, asked: Asked) -> list[Candidate]:
        """Cached questions that may ask the same, the most similar first; mostly one or none.

        None, too, where the vector store does not answer.

        Raises:
            IsolationViolation: the store returned a point of another tenant.
        """
        if not self._takes(asked):
            return []
        try:
            found = await self._near(tenant_id, asked, NEAREST)
        except IsolationViolation:
            raise
        except CarrelError as error:
            log.debug("cached questions can't be looked up: %s", error)
            return []
        agreeing: list[Candidate] = []
        for candidate in found:
            why = disagreement(candidate.question, asked.text)
            metrics.semantic_candidates.labels(why or "agrees").inc()
            if why is None:
                agreeing.append(candidate)
        return agreeing

    def remember_soon(self, tenant_id: TenantId, key: str, asked: Asked) -> None:
        """Have the question remembered in the background; it never fails, and may be left out."""
        if not self._takes(asked) or len(self._writing) >= WRITES_AT_ONCE:
            return
        task = asyncio.create_task(self._try_to_remember(tenant_id, key, asked))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def remember(self, tenant_id: TenantId, key: str, asked: Asked) -> None:
        """Remember that the answer stored under *key* answers this question.

        Nothing where the tenant is gone, or served by another embedder meanwhile.

        Raises:
            Unavailable: the vector store or the database is down.
        """
        home = await self._homes.present(tenant_id) if self._takes(asked) else None
        if home is None or home.embedder != asked.embedder:
            return
        vectors = self._homes.at(home, tenant_id, aside=asked.scope)
        try:
            await vectors.stage([self._point(key, asked)])
        finally:
            # A tenant that was erased or moved meanwhile may have been looked through already.
            now = await self._homes.present(tenant_id)
            if now is None:
                await vectors.erase()
            elif now != home:
                await vectors.discard(_DOCUMENT, self._slot(key))

    async def forget(self, tenant_id: TenantId, key: str) -> None:
        """Forget the question whose answer is stored under *key*.

        Raises:
            NotFound, Unavailable: as `Homes.now`; the vector store is down.
        """
        await (await self._homes.now(tenant_id)).discard(_DOCUMENT, self._slot(key))

    async def forget_near(self, tenant_id: TenantId, asked: Asked) -> int:
        """Forget the questions of the scope that are as similar as candidates; how many.

        Raises:
            NotFound, Unavailable: as `forget`.
        """
        if asked.embedder not in self._thresholds:
            return 0
        near = await self._near(tenant_id, asked, FORGOTTEN_AT_ONCE)
        for candidate in near:
            await self.forget(tenant_id, candidate.key)
        return len(near)

    async def erase(self, tenant_id: TenantId) -> None:
        """Forget all questions of the tenant.

        Raises:
            NotFound, Unavailable: as `forget`.
        """
        vectors = await self._homes.now(tenant_id)
        await vectors.withdraw(_DOCUMENT, before=2**31)

    async def close(self) -> None:
        """Let what is being written come to its end."""
        await asyncio.gather(*self._writing, return_exceptions=True)

    def _takes(self, asked: Asked) -> bool:
        return asked.embedder in self._thresholds and stands_alone(asked.text)

    async def _near(self, tenant_id: TenantId, asked: Asked, limit: int) -> list[Candidate]:
        home = await self._homes.remembered(tenant_id)
        if home.embedder != asked.embedder:
            return []
        vectors = self._homes.at(home, tenant_id, aside=asked.scope)
        return await _similar(vectors, asked, limit, self._thresholds[asked.embedder])

    async def _try_to_remember(self, tenant_id: TenantId, key: str, asked: Asked) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self.remember(tenant_id, key, asked)
        except (CarrelError, TimeoutError) as error:
            log.debug("a question was not remembered: %s", error)

    def _slot(self, key: str) -> int:
        """The question's place, from 1 on: the version of the document that all are."""
        digest = hashlib.sha256(key.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self._slots + 1

    def _point(self, key: str, asked: Asked) -> Point:
        return Point(
            document_id=_DOCUMENT,
            version=self._slot(key),
            # The scope is told by the store's filter; it is kept with the point to be checked.
            chunk=Chunk(0, asked.text, 0, len(asked.text), heading=asked.scope),
            content_hash=key,
            dense=asked.vector,
            sparse=_NO_WORDS,
            metadata={},
        )


async def _similar(
    vectors: TenantVectors, asked: Asked, limit: int, threshold: float
) -> list[Candidate]:
    hits = await vectors.search(asked.vector, _NO_WORDS, limit=limit)
    near = {hit.chunk_id: hit.score for hit in hits.dense if hit.score >= threshold}
    chunks = await vectors.fetch([*near])
    return [
        Candidate(chunks[chunk_id].content_hash, chunks[chunk_id].chunk.text, score)
        for chunk_id, score in near.items()
        if chunk_id in chunks and chunks[chunk_id].chunk.heading == asked.scope
    ]
