"""The port to the vector store, shaped so that a tenant cannot be forgotten.

A `VectorStore` has no search of its own. `tenant()` gives a handle bound to
one tenant, and every operation goes through such a handle: there is no way to
write an unscoped query.

A document's points are *staged* (stored, invisible) and then *published*
together: visible to all of the tenant, or to some groups of it. A handle sees
what is published for all and for the groups that it was made with. Which version
of a document counts is the metadata database's to say; the store may for a
moment hold two.

A tenant's points are in the collection that all tenants share, or in one of its
own: which, the caller says (`placement` knows). A collection of one's own is made
by the first `stage`, and until then reads as empty. Within it, too, every
operation names the tenant.

Beside documents, points may lie *aside*: visible at once, to handles of the same word and to
no others. What a tenant's callers ask for never meets them, whatever groups they are of.
"""

import operator
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from carrel.domain.document import Chunk, Metadata
from carrel.domain.filter import Filter
from carrel.domain.ids import ChunkId, CollectionName, DocumentId, TenantId
from carrel.domain.vector import DenseVector, SparseVector


@dataclass(frozen=True, slots=True)
class Point:
    """A chunk of one version of a document, with its vectors."""

    document_id: DocumentId
    version: int
    chunk: Chunk
    content_hash: str
    dense: DenseVector
    sparse: SparseVector
    metadata: Metadata


class Hit(NamedTuple):
    """A chunk that one list of a search names, with that list's score (cosine, or BM25)."""

    chunk_id: ChunkId
    score: float


_score_of = operator.attrgetter("score")


def ranked(hits: Iterable[Hit]) -> list[Hit]:
    """*hits*, best first; of equal ones, in whatever order they came, the lower id first."""
    found = sorted(hits)
    found.sort(key=_score_of, reverse=True)  # which leaves equal ones as they are
    return found


@dataclass(frozen=True, slots=True)
class Hits:
    """The two lists of one hybrid search, each best first."""

    dense: list[Hit]
    sparse: list[Hit]


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk as it is stored, with the version that it belongs to."""

    chunk_id: ChunkId
    document_id: DocumentId
    version: int
    chunk: Chunk
    content_hash: str


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """What is stored of one version of a document: how many points, and who may see them.

    `audiences` holds each distinct value of the points' `visible_to`, sorted; `()` is staged.
    """

    document_id: DocumentId
    version: int
    points: int
    audiences: frozenset[tuple[str, ...]]


class TenantVectors(Protocol):
    """One tenant's points; no operation sees or changes another's.

    Every operation may raise `Unavailable` (the store is down or restarting)
    and `IsolationViolation` (the store returned a point of another tenant).
    """

    async def stage(self, points: Sequence[Point]) -> None:
        """Store *points*, invisible to searches. The same chunk again replaces itself."""
        ...

    async def publish(
        self, document_id: DocumentId, version: int, groups: Collection[str] = ()
    ) -> None:
        """Make the version's points visible, all at once; durable on return.

        To *groups* alone where some are given, else to all of the tenant.
        """
        ...

    async def withdraw(self, document_id: DocumentId, *, before: int) -> None:
        """Delete the document's points of versions lower than *before*, staged and visible."""
        ...

    async def discard(self, document_id: DocumentId, version: int) -> None:
        """Delete the points of one version."""
        ...

    async def search(
        self,
        dense: DenseVector,
        sparse: SparseVector,
        *,
        limit: int,
        where: Filter = (),
        exact: bool = False,
    ) -> Hits:
        """The *limit* nearest visible chunks by cosine, and as many by BM25.

        BM25's IDF is computed over the chunks visible to this handle alone. Equal
        scores come in any order. *exact* compares every chunk, whatever graph there is.
        """
        ...

    async def fetch(self, ids: Sequence[ChunkId]) -> dict[ChunkId, StoredChunk]:
        """The visible chunks among *ids*. Few of a search's hits are shown: fetch only those."""
        ...

    async def count(self, document_id: DocumentId | None = None) -> int:
        """How many chunks are visible, of one document or of all."""
        ...

    async def inventory(self, document_id: DocumentId | None = None) -> list[StoredVersion]:
        """Everything stored of one document or of all, staged or visible to whomever.

        For moving and erasing, not for answering: it looks at every point of the tenant.
        """
        ...

    async def read(self, document_id: DocumentId, version: int, ordinals: range) -> list[Point]:
        """The chunks of a version with these ordinals, whole, staged or visible; in their order.

        For moving, not for answering. Dense vectors come as they are stored: normalised.
        """
        ...

    async def erase(self) -> None:
        """Delete every point of the tenant; a collection of its own goes as a whole."""
        ...


class VectorStore(Protocol):
    """A place for points of many tenants."""

    def tenant(
        self,
        tenant_id: TenantId,
        groups: Collection[str] = (),
        *,
        collection: CollectionName | None = None,
        aside: str | None = None,
    ) -> TenantVectors:
        """The handle of one tenant, with the sight of *groups*: the only way to its points.

        They are in the tenant's own *collection*, or without one in the shared one. With the
        word *aside*, the handle sees nothing but what such handles stage, which needs no
        publishing; ids of documents aside begin with `schema.ASIDE`.
        """
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` when the store does not answer."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
