"""The embedded vector store, as API and worker processes use it.

It holds no data: everything is in the engine's process, which all processes of
a host share. Each request names the tenant that the handle was made for, and
each returned payload is checked to be that tenant's.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from carrel.domain.errors import TooLarge
from carrel.domain.filter import AnyOf, Between, Condition, During, Filter, fact
from carrel.domain.ids import ChunkId, DocumentId, TenantId
from carrel.domain.vector import DenseVector, SparseVector
from carrel.vectors import schema
from carrel.vectors.edge import wire
from carrel.vectors.edge.connections import Connections
from carrel.vectors.store import Hit, Hits, Point, StoredChunk

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

    def tenant(self, tenant_id: TenantId, groups: Collection[str] = ()) -> "EdgeTenantVectors":
        return EdgeTenantVectors(tenant_id, schema.seen_by(groups), self._reads, self._writes)

    async def ping(self) -> None:
        await self._reads.ask(wire.Ping(), wire.Done)

    async def describe(self) -> wire.Described:
        """The size of the shard, which holds the points of all tenants."""
        return await self._reads.ask(wire.Describe(), wire.Described)

    async def optimise(self) -> None:
        """Rebuild the index now, while searches go on; returns when it is done.

        Raises:
            CarrelError: it was not done: too little room, or too many writes meanwhile.
        """
        await self._writes.ask(wire.Optimise(), wire.Done, timeout_seconds=OPTIMISE_TIMEOUT_SECONDS)

    async def close(self) -> None:
        await self._reads.close()
        await self._writes.close()


class EdgeTenantVectors:
    """One tenant's points in the engine."""

    def __init__(
        self, tenant_id: TenantId, sees: list[str], reads: Connections, writes: Connections
    ) -> None:
        self._tenant_id = tenant_id
        self._sees = sees
        self._reads = reads
        self._writes = writes

    async def stage(self, points: Sequence[Point]) -> None:
        for start in range(0, len(points), SLICE_POINTS):
            await self._stage([self._point(p) for p in points[start : start + SLICE_POINTS]])

    async def publish(
        self, document_id: DocumentId, version: int, groups: Collection[str] = ()
    ) -> None:
        visible_to = schema.published_to(groups)
        await self._write(wire.Publish(self._tenant_id, document_id, version, visible_to))

    async def withdraw(self, document_id: DocumentId, *, before: int) -> None:
        await self._write(wire.Withdraw(self._tenant_id, document_id, before))

    async def discard(self, document_id: DocumentId, version: int) -> None:
        await self._write(wire.Discard(self._tenant_id, document_id, version))

    async def search(
        self, dense: DenseVector, sparse: SparseVector, *, limit: int, where: Filter = ()
    ) -> Hits:
        found = await self._reads.ask(
            wire.Search(
                self._tenant_id,
                self._sees,
                _float32(dense),
                sparse.indices,
                sparse.values,
                limit,
                [_term(condition) for condition in where],
            ),
            wire.Found,
        )
        return Hits(dense=_hits(found.dense), sparse=_hits(found.sparse))

    async def fetch(self, ids: Sequence[ChunkId]) -> dict[ChunkId, StoredChunk]:
        if not ids:
            return {}
        request = wire.Fetch(self._tenant_id, self._sees, list(ids))
        fetched = await self._reads.ask(request, wire.Fetched)
        return {
            ChunkId(point_id): schema.to_chunk(self._tenant_id, point_id, payload)
            for point_id, payload in fetched.payloads.items()
        }

    async def count(self, document_id: DocumentId | None = None) -> int:
        request = wire.Count(self._tenant_id, self._sees, document_id)
        return (await self._reads.ask(request, wire.Counted)).points

    async def erase(self) -> None:
        await self._write(wire.Erase(self._tenant_id))

    async def _write(self, request: wire.Write) -> None:
        await self._writes.ask(request, wire.Done)

    async def _stage(self, points: list[wire.Point]) -> None:
        try:
            await self._write(wire.Stage(self._tenant_id, points))
        except TooLarge:
            if len(points) == 1:
                raise
            middle = len(points) // 2
            await self._stage(points[:middle])
            await self._stage(points[middle:])

    def _point(self, point: Point) -> wire.Point:
        return wire.Point(
            schema.chunk_id(self._tenant_id, point.document_id, point.version, point.chunk.ordinal),
            schema.to_payload(self._tenant_id, point),
            _float32(point.dense),
            point.sparse.indices,
            point.sparse.values,
        )


def _hits(scored: list[tuple[str, float]]) -> list[Hit]:
    return [Hit(ChunkId(point_id), score) for point_id, score in scored]


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
