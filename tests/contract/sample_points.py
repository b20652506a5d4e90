"""Points that tests write and look for: in 4 dimensions, with one token a word."""

import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from carrel.domain.document import Chunk, Metadata
from carrel.domain.filter import Condition, Filter
from carrel.domain.ids import DocumentId
from carrel.domain.vector import DenseVector, SparseVector
from carrel.vectors.store import Point, StoredChunk, TenantVectors

DIMENSIONS = 4
EAST = np.array([1, 0, 0, 0], dtype=np.float32)
A = DocumentId("doc_a")
B = DocumentId("doc_b")

HOSTILE = [
    "",
    " ",
    "a\x00b",
    "'; DROP TABLE points; --",
    '{"must": []}',
    "*",
    "../../etc/passwd",
    "tenant_id",
    "Ünïcödé 🜁 名前",
    "e\u0301",
    "\u202eright-to-left",
    "x" * 2000,
]


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


async def publish(tenant: TenantVectors, *points: Point) -> None:
    """Stage and publish *points*, of one or more documents."""
    await tenant.stage(points)
    for document, version in {(p.document_id, p.version) for p in points}:
        await tenant.publish(document, version)


async def search(tenant: TenantVectors, text: str = "apple", limit: int = 100) -> SeenHits:
    return await look(tenant, EAST, words(text), limit=limit)


async def found_with(tenant: TenantVectors, *where: Condition) -> set[str]:
    """The documents that both lists return under *where*, which have to agree."""
    hits = await look(tenant, EAST, words("apple"), limit=100, where=where)
    assert documents(hits.dense) == documents(hits.sparse)
    return documents(hits.dense)
