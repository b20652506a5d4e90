"""Points that tests write, in vectors small enough to be read: 4 dimensions, one token a word."""

import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from carrel.domain.document import Chunk, Metadata
from carrel.domain.filter import Filter
from carrel.domain.ids import DocumentId
from carrel.domain.vector import DenseVector, SparseVector
from carrel.vectors.store import Point, StoredChunk, TenantVectors

DIMENSIONS = 4
EAST = np.array([1, 0, 0, 0], dtype=np.float32)


def point(
    document: str,
    text: str = "apple",
    *,
    version: int = 1,
    ordinal: int = 0,
    dense: DenseVector = EAST,
    metadata: Metadata | None = None,
    heading: str = "",
    page: int | None = None,
) -> Point:
    return Point(
        document_id=DocumentId(document),
        version=version,
        chunk=Chunk(ordinal, text, 0, len(text), heading, page),
        content_hash=content_hash(text),
        dense=dense,
        sparse=words(text),
        metadata=metadata or {},
    )


def content_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def words(text: str) -> SparseVector:
    """Each word once, weighing 1: the store multiplies it by the word's IDF."""
    tokens = sorted({zlib.crc32(word.encode()) for word in text.split()})
    return SparseVector(tokens, [1.0] * len(tokens))


def at_angle(degrees: float) -> DenseVector:
    """A vector so far from `EAST`; its cosine is that of the angle."""
    radians = np.radians(degrees)
    return np.array([np.cos(radians), np.sin(radians), 0, 0], dtype=np.float32)


@dataclass(frozen=True)
class Seen:
    """A hit together with the chunk that is fetched for it."""

    stored: StoredChunk
    score: float

    @property
    def chunk(self) -> Chunk:
        return self.stored.chunk

    @property
    def document_id(self) -> DocumentId:
        return self.stored.document_id

    @property
    def version(self) -> int:
        return self.stored.version


@dataclass(frozen=True)
class SeenHits:
    """Both lists of a search, with their chunks."""

    dense: list[Seen]
    sparse: list[Seen]


async def look(
    tenant: TenantVectors,
    dense: DenseVector,
    sparse: SparseVector,
    *,
    limit: int,
    where: Filter = (),
) -> SeenHits:
    """What a search finds, fetched; a hit that cannot be fetched fails the test."""
    hits = await tenant.search(dense, sparse, limit=limit, where=where)
    chunks = await tenant.fetch([hit.chunk_id for hit in (*hits.dense, *hits.sparse)])
    return SeenHits(
        *([Seen(chunks[h.chunk_id], h.score) for h in each] for each in (hits.dense, hits.sparse))
    )


def texts(hits: Iterable[Seen]) -> list[str]:
    return [hit.chunk.text for hit in hits]


def documents(hits: Iterable[Seen]) -> set[str]:
    return {hit.document_id for hit in hits}
