"""The vector store of a Qdrant server: every request names the tenant, and is checked on return.

Writes wait until they are applied, and go through one replica that puts them
in order (`medium`): publishing selects points by filter, so no replica may see
it before the points that it publishes. They go on when a node is down, which
`strong` would not. Reads ask one replica: one that missed a write is marked
dead before the write is acknowledged, and is not asked.
"""

from collections.abc import Collection, Sequence

from qdrant_client import AsyncQdrantClient, models

from carrel.domain.errors import TooLarge, Unavailable
from carrel.domain.filter import Filter
from carrel.domain.ids import ChunkId, DocumentId, TenantId
from carrel.domain.vector import DenseVector, SparseVector
from carrel.vectors import schema
from carrel.vectors.server import filters
from carrel.vectors.server.client import GRPC_PORT, connect
from carrel.vectors.server.collection import Layout, SharedCollection
from carrel.vectors.server.inspection import Remark, inspect
from carrel.vectors.server.points import floats, to_struct
from carrel.vectors.store import Hit, Hits, Point, StoredChunk

# A slice of 64 is under a megabyte as a rule; the server takes 32 at once.
SLICE_POINTS = 64
ORDERING = models.WriteOrdering.MEDIUM


class QdrantServerStore:
    """The vector store in one collection of the Qdrant server at *url*.

    *certificate_authority* is PEM; without it `https` trusts the usual ones. Shards and
    replicas count when the collection is made. *client* takes the place of one made for *url*.
    """

    def __init__(
        self,
        url: str,
        *,
        dimensions: int,
        api_key: str | None = None,
        collection: str = "carrel",
        grpc_port: int = GRPC_PORT,
        certificate_authority: bytes | None = None,
        read_timeout_seconds: float = 5.0,
        write_timeout_seconds: float = 60.0,
        shard_number: int = 1,
        replication_factor: int = 1,
        write_consistency_factor: int = 1,
        client: AsyncQdrantClient | None = None,
    ) -> None:
        self._client = client or connect(
            url,
            api_key=api_key,
            grpc_port=grpc_port,
            certificate_authority=certificate_authority,
            timeout_seconds=max(read_timeout_seconds, write_timeout_seconds),
        )
        self._key_is_readable = api_key is not None and url.startswith("http://")
        self._collection = SharedCollection(
            self._client,
            Layout(
                collection, dimensions, shard_number, replication_factor, write_consistency_factor
            ),
            read_timeout_seconds=read_timeout_seconds,
            write_timeout_seconds=write_timeout_seconds,
        )

    @property
    def keyword_search(self) -> bool:
        """Whether searches have a sparse list: the server is new enough for a tenant's own IDF.

        False until `prepare`, or the first operation, has asked it.
        """
        return self._collection.tenant_idf

    async def prepare(self) -> None:
        """Make the collection, or check that it fits; operations do so if this was not called.

        Raises:
            IncompatibleServer: too old a server, or other vectors in the collection.
            Unavailable: the server does not answer.
        """
        await self._collection.prepare()

    def tenant(self, tenant_id: TenantId, groups: Collection[str] = ()) -> "ServerTenantVectors":
        return ServerTenantVectors(tenant_id, schema.seen_by(groups), self._collection)

    async def ping(self) -> None:
        async with self._collection.reading() as client:
            if not await client.collection_exists(self._collection.name):
                raise Unavailable("the collection is missing on the Qdrant server")

    async def describe(self) -> list[Remark]:
        """What is well with server and collection, and what is not; changes nothing."""
        return await inspect(self._collection, key_is_readable=self._key_is_readable)

    async def close(self) -> None:
        await self._client.close()


class ServerTenantVectors:
    """One tenant's points on the server."""

    def __init__(self, tenant_id: TenantId, sees: list[str], collection: SharedCollection) -> None:
        self._tenant_id = tenant_id
        self._sees = sees
        self._collection = collection

    async def stage(self, points: Sequence[Point]) -> None:
        for start in range(0, len(points), SLICE_POINTS):
            await self._upsert(
                [to_struct(self._tenant_id, p) for p in points[start : start + SLICE_POINTS]]
            )

    async def publish(
        self, document_id: DocumentId, version: int, groups: Collection[str] = ()
    ) -> None:
        async with self._collection.writing() as client:
            result = await client.set_payload(
                self._collection.name,
                payload={schema.VISIBLE_TO: schema.published_to(groups)},
                points=filters.of_version(self._tenant_id, document_id, version),
                wait=True,
                ordering=ORDERING,
            )
        _check_applied(result)

    async def withdraw(self, document_id: DocumentId, *, before: int) -> None:
        await self._delete(filters.of_versions(self._tenant_id, document_id, before=before))

    async def discard(self, document_id: DocumentId, version: int) -> None:
        await self._delete(filters.of_version(self._tenant_id, document_id, version))

    async def search(
        self, dense: DenseVector, sparse: SparseVector, *, limit: int, where: Filter = ()
    ) -> Hits:
        async with self._collection.reading() as client:
            scope = filters.visible(self._tenant_id, self._sees, where)
            requests = [
                models.QueryRequest(
                    query=floats(dense), using=schema.DENSE, filter=scope, limit=limit
                )
            ]
            # Without a tenant's own IDF, what others write would move its scores: no list at all.
            if sparse.indices and self._collection.tenant_idf:
                requests.append(self._by_words(sparse, scope, limit))
            found = await client.query_batch_points(
                self._collection.name, requests, timeout=self._collection.read_timeout
            )
        by_meaning, *by_words = [_hits(response.points) for response in found]
        return Hits(dense=by_meaning, sparse=by_words[0] if by_words else [])

    async def fetch(self, ids: Sequence[ChunkId]) -> dict[ChunkId, StoredChunk]:
        if not ids:
            return {}
        async with self._collection.reading() as client:
            records, _ = await client.scroll(
                self._collection.name,
                scroll_filter=filters.visible(self._tenant_id, self._sees, ids=ids),
                limit=len(ids),
                with_payload=[*schema.SHOWN],
                timeout=self._collection.read_timeout,
            )
        return {
            ChunkId(str(record.id)): schema.to_chunk(
                self._tenant_id, str(record.id), record.payload or {}
            )
            for record in records
        }

    async def count(self, document_id: DocumentId | None = None) -> int:
        async with self._collection.reading() as client:
            counted = await client.count(
                self._collection.name,
                count_filter=filters.visible(self._tenant_id, self._sees, document_id=document_id),
                exact=True,
                timeout=self._collection.read_timeout,
            )
        return counted.count

    async def erase(self) -> None:
        await self._delete(filters.of_tenant(self._tenant_id))

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

    async def _upsert(self, points: list[models.PointStruct]) -> None:
        try:
            async with self._collection.writing() as client:
                result = await client.upsert(
                    self._collection.name,
                    points,
                    # The condition is on points that exist: another tenant's is left as it is.
                    update_filter=filters.of_tenant(self._tenant_id),
                    wait=True,
                    ordering=ORDERING,
                )
            _check_applied(result)
        except TooLarge:
            if len(points) == 1:
                raise
            middle = len(points) // 2
            await self._upsert(points[:middle])
            await self._upsert(points[middle:])

    async def _delete(self, scope: models.Filter) -> None:
        async with self._collection.writing() as client:
            result = await client.delete(
                self._collection.name,
                models.FilterSelector(filter=scope),
                wait=True,
                ordering=ORDERING,
            )
        _check_applied(result)


def _check_applied(result: models.UpdateResult) -> None:
    # A server may give up waiting without calling it an error: the write is in its log, not yet
    # in its answers. Who asked for it asks again, and finds it done.
    if result.status != models.UpdateStatus.COMPLETED:
        raise Unavailable("Qdrant has not applied the write yet")


def _hits(points: Sequence[models.ScoredPoint]) -> list[Hit]:
    # A server gives equal scores in an order that others' writes may change.
    hits = [Hit(ChunkId(str(point.id)), point.score) for point in points]
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))
