"""One tenant's points on a Qdrant server: every request names the tenant, and is checked on return.

That holds in a collection of the tenant's own, too: a wrong name finds nothing there.
Writes wait until they are applied, and go through one replica that puts them
in order (`medium`): publishing selects points by filter, so no replica may see
it before the points that it publishes. They go on when a node is down, which
`strong` would not. Reads ask one replica: one that missed a write is marked
dead before the write is acknowledged, and is not asked.
"""

from collections.abc import Collection as Some
from collections.abc import Sequence

from qdrant_client import models

from carrel.domain.errors import TooLarge
from carrel.domain.filter import Filter
from carrel.domain.ids import ChunkId, DocumentId, TenantId
from carrel.domain.vector import DenseVector, SparseVector
from carrel.vectors import schema
from carrel.vectors.server import filters
from carrel.vectors.server.collection import Collection
from carrel.vectors.server.inventory import take_inventory
from carrel.vectors.server.points import floats, to_chunk, to_point, to_struct
from carrel.vectors.store import Hit, Hits, Point, StoredChunk, StoredVersion, ranked

# A slice of 64 is under a megabyte as a rule; the server takes 32 at once.
SLICE_POINTS = 64
ORDERING = models.WriteOrdering.MEDIUM
_NONE: tuple[list[models.Record], None] = ([], None)


class ServerTenantVectors:
    """The points of one tenant in one collection, with the sight of *sees*."""

    def __init__(
        self,
        tenant_id: TenantId,
        sees: list[str],
        collection: Collection,
        stages_for: Sequence[str] = (),
    ) -> None:
        self._tenant_id = tenant_id
        self._stages_for = stages_for
        self._sees = sees
        self._collection = collection

    async def stage(self, points: Sequence[Point]) -> None:
        for start in range(0, len(points), SLICE_POINTS):
            await self._upsert(
                [
                    to_struct(self._tenant_id, point, self._stages_for)
                    for point in points[start : start + SLICE_POINTS]
                ]
            )

    async def publish(self, document_id: DocumentId, version: int, groups: Some[str] = ()) -> None:
        await self._collection.write(
            lambda client: client.set_payload(
                self._collection.name,
                payload={schema.VISIBLE_TO: schema.published_to(groups)},
                points=filters.of_version(self._tenant_id, document_id, version),
                wait=True,
                ordering=ORDERING,
            )
        )

    async def withdraw(self, document_id: DocumentId, *, before: int) -> None:
        await self._delete(filters.of_versions(self._tenant_id, document_id, before=before))

    async def discard(self, document_id: DocumentId, version: int) -> None:
        await self._delete(filters.of_version(self._tenant_id, document_id, version))

    async def search(
        self,
        dense: DenseVector,
        sparse: SparseVector,
        *,
        limit: int,
        where: Filter = (),
        exact: bool = False,
    ) -> Hits:
        scope = filters.visible(self._tenant_id, self._sees, where)

        def by_both() -> list[models.QueryRequest]:
            asked = [_by_meaning(dense, scope, limit, exact=exact)]
            # Without an IDF over what the caller sees, what others write, or write for other
            # groups, would move its scores: no list at all. A collection of one's own has groups.
            if sparse.indices and self._collection.connection.tenant_idf:
                asked.append(self._by_words(sparse, scope, limit))
            return asked

        found = await self._collection.read(
            lambda client: client.query_batch_points(
                self._collection.name, by_both(), timeout=self._timeout
            ),
            missing=[],
        )
        lists = [_hits(response.points) for response in found]
        by_meaning, by_words = (*lists, [], [])[:2]
        return Hits(dense=by_meaning, sparse=by_words)

    async def fetch(self, ids: Sequence[ChunkId]) -> dict[ChunkId, StoredChunk]:
        if not ids:
            return {}
        records, _ = await self._collection.read(
            lambda client: client.scroll(
                self._collection.name,
                scroll_filter=filters.visible(self._tenant_id, self._sees, ids=ids),
                limit=len(ids),
                with_payload=[*schema.SHOWN],
                timeout=self._timeout,
            ),
            missing=_NONE,
        )
        return {ChunkId(str(each.id)): to_chunk(self._tenant_id, each) for each in records}

    async def count(self, document_id: DocumentId | None = None) -> int:
        scope = filters.visible(self._tenant_id, self._sees, document_id=document_id)
        return await self._count(scope)

    async def inventory(self, document_id: DocumentId | None = None) -> list[StoredVersion]:
        return await take_inventory(self._collection, self._tenant_id, document_id)

    async def read(self, document_id: DocumentId, version: int, ordinals: range) -> list[Point]:
        points: list[Point] = []
        for start in range(0, len(ordinals), SLICE_POINTS):
            ids = [
                schema.chunk_id(self._tenant_id, document_id, version, ordinal)
                for ordinal in ordinals[start : start + SLICE_POINTS]
            ]
            points += await self._points(ids)
        return sorted(points, key=lambda point: point.chunk.ordinal)

    async def erase(self) -> None:
        # A collection goes with all that is in it, whatever filter there is: look first. One that
        # holds points of others is not this tenant's own, whoever says so, and stays.
        if self._collection.shared or await self._count(filters.of_others(self._tenant_id)):
            await self._delete(filters.of_tenant(self._tenant_id))
        else:
            await self._collection.drop()

    @property
    def _timeout(self) -> int:
        return self._collection.connection.read_timeout

    def _by_words(
        self, sparse: SparseVector, scope: models.Filter, limit: int
    ) -> models.QueryRequest:
        # The corpus is what may be seen, whatever is filtered: a word is as rare in every search.
        corpus = filters.visible(self._tenant_id, self._sees)
        return models.QueryRequest(
            query=models.SparseVector(indices=sparse.indices, values=sparse.values),
            using=schema.SPARSE,
            filter=scope,
            limit=limit,
            params=models.SearchParams(idf=models.IdfCorpusParams(corpus=corpus)),
        )

    async def _points(self, ids: Sequence[ChunkId]) -> list[Point]:
        records, _ = await self._collection.read(
            lambda client: client.scroll(
                self._collection.name,
                # Retrieving by id would take no filter.
                scroll_filter=filters.with_ids(self._tenant_id, ids),
                limit=len(ids),
                with_payload=True,
                with_vectors=True,
                timeout=self._timeout,
            ),
            missing=_NONE,
        )
        return [to_point(self._tenant_id, record) for record in records]

    async def _count(self, scope: models.Filter) -> int:
        counted = await self._collection.read(
            lambda client: client.count(
                self._collection.name, count_filter=scope, exact=True, timeout=self._timeout
            ),
            missing=models.CountResult(count=0),
        )
        return counted.count

    async def _upsert(self, points: list[models.PointStruct]) -> None:
        try:
            await self._collection.add(
                lambda client: client.upsert(
                    self._collection.name,
                    points,
                    # The condition is on points that exist: another tenant's is left as it is.
                    update_filter=filters.of_tenant(self._tenant_id),
                    wait=True,
                    ordering=ORDERING,
                )
            )
        except TooLarge:
            if len(points) == 1:
                raise
            middle = len(points) // 2
            await self._upsert(points[:middle])
            await self._upsert(points[middle:])

    async def _delete(self, scope: models.Filter) -> None:
        await self._collection.write(
            lambda client: client.delete(
                self._collection.name,
                models.FilterSelector(filter=scope),
                wait=True,
                ordering=ORDERING,
            )
        )


def _by_meaning(
    dense: DenseVector, scope: models.Filter, limit: int, *, exact: bool
) -> models.QueryRequest:
    return models.QueryRequest(
        query=floats(dense),
        using=schema.DENSE,
        filter=scope,
        limit=limit,
        # By words every search is exact: the sparse index is an inverted one.
        params=models.SearchParams(exact=True) if exact else None,
    )


def _hits(points: Sequence[models.ScoredPoint]) -> list[Hit]:
    # A server gives equal scores in an order that others' writes may change.
    return ranked(Hit(ChunkId(str(point.id)), point.score) for point in points)
