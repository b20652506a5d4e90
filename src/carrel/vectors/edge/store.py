"""The embedded vector store, as API and worker processes use it.

It holds no data: everything is in the engine's process, which all processes of
a host share. Each request names the tenant and the collection that the handle was
made for, and each returned payload is checked to be that tenant's.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from carrel.domain.errors import TooLarge
from carrel.domain.filter import AnyOf, Between, Condition, During, Filter, fact
from carrel.domain.ids import ChunkId, CollectionName, DocumentId, TenantId
from carrel.domain.vector import DenseVector, SparseVector
from carrel.vectors import schema
from carrel.vectors.edge import wire
from carrel.vectors.edge.connections import Connections
from carrel.vectors.store import Hit, Hits, Point, StoredChunk, StoredVersion, ranked

# The engine serves one request at a time, 64 points in 4 ms: searches come in between.
SLICE_POINTS = 64
READ_CONNECTIONS = 16
# More writers would only queue in the engine, and searches with them.
WRITE_CONNECTIONS = 2
OPTIMISE_TIMEOUT_SECONDS = 3600.0


class EdgeVectorStore:
    """The vector store of the engine that serves *folder*.

    Writes have the longer timeout: they wait while the engine copies its shard.
    """

    def __init__(
        self,
        folder: Path,
        *,
        read_timeout_seconds: float = 5.0,
        write_timeout_seconds: float = 60.0,
    ) -> None:
        self._reads = Connections(
            folder, limit=READ_CONNECTIONS, timeout_seconds=read_timeout_seconds
        )
        self._writes = Connections(
            folder, limit=WRITE_CONNECTIONS, timeout_seconds=write_timeout_seconds
        )

    def tenant(
        self,
        tenant_id: TenantId,
        groups: Collection[str] = (),
        *,
        collection: CollectionName | None = None,
        aside: str | None = None,
    ) -> "EdgeTenantVectors":
        place = (tenant_id, collection or wire.SHARED)
        if aside is not None:
            shown = schema.seen_aside(aside)
            return EdgeTenantVectors(place, shown, self._reads, self._writes, stages_for=shown)
        return EdgeTenantVectors(place, schema.seen_by(groups), self._reads, self._writes)

    async def ping(self) -> None:
        await self._reads.ask(wire.Ping(), wire.Done)

    async def describe(self) -> wire.Described:
        """The size of the shared shard, and how many collections of tenants' own there are."""
        return await self._reads.ask(wire.Describe(), wire.Described)

    async def optimise(self, collection: CollectionName | None = None) -> None:
        """Rebuild the index of one collection now, while searches go on; returns when it is done.

        Raises:
            CarrelError: it was not done: too little room, or too many writes meanwhile.
        """
        request = wire.Optimise(collection or wire.SHARED)
        await self._writes.ask(request, wire.Done, timeout_seconds=OPTIMISE_TIMEOUT_SECONDS)

    async def close(self) -> None:
        await self._reads.close()
        await self._writes.close()


class EdgeTenantVectors:
    """The points of one tenant in one of the engine's collections: its *place*."""

    def __init__(
        self,
        place: tuple[TenantId, str],
        sees: list[str],
        reads: Connections,
        writes: Connections,
        stages_for: Sequence[str] = (),
    ) -> None:
        self._place = place
        self._tenant_id = place[0]
        self._sees = sees
        self._reads = reads
        self._writes = writes
        self._stages_for = [*stages_for]

    async def stage(self, points: Sequence[Point]) -> None:
        for start in range(0, len(points), SLICE_POINTS):
            await self._stage([self._point(p) for p in points[start : start + SLICE_POINTS]])

    async def publish(
        self, document_id: DocumentId, version: int, groups: Collection[str] = ()
    ) -> None:
        visible_to = schema.published_to(groups)
        await self._write(wire.Publish(*self._place, document_id, version, visible_to))

    async def withdraw(self, document_id: DocumentId, *, before: int) -> None:
        await self._write(wire.Withdraw(*self._place, document_id, before))

    async def discard(self, document_id: DocumentId, version: int) -> None:
        await self._write(wire.Discard(*self._place, document_id, version))

    async def search(
        self,
        dense: DenseVector,
        sparse: SparseVector,
        *,
        limit: int,
        where: Filter = (),
        exact: bool = False,
    ) -> Hits:
        found = await self._reads.ask(
            wire.Search(
                *self._place,
                self._sees,
                _float32(dense),
                sparse.indices,
                sparse.values,
                limit,
                [_term(condition) for condition in where],
                exact,
            ),
            wire.Found,
        )
        return Hits(dense=_hits(found.dense), sparse=_hits(found.sparse))

    async def fetch(self, ids: Sequence[ChunkId]) -> dict[ChunkId, StoredChunk]:
        if not ids:
            return {}
        request = wire.Fetch(*self._place, self._sees, list(ids))
        fetched = await self._reads.ask(request, wire.Fetched)
        return {
            ChunkId(point_id): schema.to_chunk(self._tenant_id, point_id, payload)
            for point_id, payload in fetched.payloads.items()
        }

    async def count(self, document_id: DocumentId | None = None) -> int:
        request = wire.Count(*self._place, self._sees, document_id)
        return (await self._reads.ask(request, wire.Counted)).points

    async def inventory(self, document_id: DocumentId | None = None) -> list[StoredVersion]:
        found: dict[tuple[str, int], StoredVersion] = {}
        start: str | None = None
        while True:
            request = wire.Inventory(*self._place, document_id, start)
            part = await self._reads.ask(request, wire.Inventoried)
            for each in part.stored:
                # A version may begin in one slice and end in the next.
                key = (each.document_id, each.version)
                found[key] = _sum(found.get(key), each)
            if part.following is None:
                return [*found.values()]
            start = part.following

    async def read(self, document_id: DocumentId, version: int, ordinals: range) -> list[Point]:
        ids = [schema.chunk_id(self._tenant_id, document_id, version, n) for n in ordinals]
        found: dict[str, wire.Point] = {}
        for start in range(0, len(ids), SLICE_POINTS):
            found |= await self._read(ids[start : start + SLICE_POINTS])
        return [self._whole(found[each]) for each in ids if each in found]

    async def erase(self) -> None:
        await self._write(wire.Erase(*self._place))

    async def _write(self, request: wire.Write) -> None:
        await self._writes.ask(request, wire.Done)

    async def _stage(self, points: list[wire.Point]) -> None:
        try:
            await self._write(wire.Stage(*self._place, points, self._stages_for))
        except TooLarge:
            if len(points) == 1:
                raise
            middle = len(points) // 2
            await self._stage(points[:middle])
            await self._stage(points[middle:])

    async def _read(self, ids: list[ChunkId]) -> dict[str, wire.Point]:
        try:
            request = wire.Read(*self._place, [*ids])
            points = (await self._reads.ask(request, wire.Whole)).points
        except TooLarge:
            if len(ids) == 1:
                raise
            middle = len(ids) // 2
            return await self._read(ids[:middle]) | await self._read(ids[middle:])
        return {point.id: point for point in points}

    def _whole(self, point: wire.Point) -> Point:
        dense = np.frombuffer(point.dense, dtype=np.float32)
        sparse = SparseVector(point.indices, point.values)
        return schema.to_point(self._tenant_id, point.id, point.payload, dense, sparse)

    def _point(self, point: Point) -> wire.Point:
        return wire.Point(
            schema.chunk_id(self._tenant_id, point.document_id, point.version, point.chunk.ordinal),
            schema.to_payload(self._tenant_id, point),
            _float32(point.dense),
            point.sparse.indices,
            point.sparse.values,
        )


def _hits(scored: list[tuple[str, float]]) -> list[Hit]:
    # The engine gives equal scores in the order in which it keeps the points.
    return ranked(Hit(ChunkId(point_id), score) for point_id, score in scored)


def _sum(before: StoredVersion | None, part: wire.Stored) -> StoredVersion:
    points, audiences = part.points, frozenset(part.audiences)
    if before:
        points, audiences = points + before.points, audiences | before.audiences
    return StoredVersion(DocumentId(part.document_id), part.version, points, audiences)


def _float32(vector: DenseVector) -> bytes:
    return np.asarray(vector, dtype=np.float32).tobytes()


def _term(condition: Condition) -> wire.Term:
    match condition:
        case AnyOf(field, values):
            return wire.HasFact([fact(field, value) for value in values])
        case Between(field, gte, lte):
            return wire.NumberWithin(field, gte, lte)
        case During(field, gte, lte):
            return wire.DateWithin(
                field, gte.isoformat() if gte else None, lte.isoformat() if lte else None
            )
