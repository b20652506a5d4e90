"""The vector store of a Qdrant server: one collection that tenants share, and tenants' own.

Every operation goes through a tenant's handle. A store has connections and a breaker of its
own: a server that is gone costs its own tenants a moment, and nobody else's anything.
"""

from collections.abc import Collection as Some

from qdrant_client import AsyncQdrantClient

from carrel.domain.errors import Unavailable
from carrel.domain.ids import CollectionName, TenantId
from carrel.vectors import schema
from carrel.vectors.server.client import GRPC_PORT, connect
from carrel.vectors.server.collection import Collections
from carrel.vectors.server.connection import Connection
from carrel.vectors.server.inspection import Remark, inspect
from carrel.vectors.server.layout import Layout
from carrel.vectors.server.tenant import ServerTenantVectors


class QdrantServerStore:
    """The vector store in *collection* of the Qdrant server at *url*, and in those named after it.

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
        client = client or connect(
            url,
            api_key=api_key,
            grpc_port=grpc_port,
            certificate_authority=certificate_authority,
            timeout_seconds=max(read_timeout_seconds, write_timeout_seconds),
        )
        self._key_is_readable = api_key is not None and url.startswith("http://")
        self._connection = Connection(
            client,
            read_timeout_seconds=read_timeout_seconds,
            write_timeout_seconds=write_timeout_seconds,
        )
        layout = Layout(
            collection, dimensions, shard_number, replication_factor, write_consistency_factor
        )
        self._collections = Collections(self._connection, layout)

    @property
    def keyword_search(self) -> bool:
        """Whether searches have a sparse list: the server is new enough for a tenant's own IDF.

        False until `prepare`, or the first operation, has asked it.
        """
        return self._connection.tenant_idf

    async def prepare(self) -> None:
        """Make the shared collection, or check it; operations do so if this was not called.

        Raises:
            IncompatibleServer: too old a server, or other vectors in the collection.
            Unavailable: the server does not answer.
        """
        await self._collections.shared.prepare(self._connection.write_timeout_seconds)

    def tenant(
        self,
        tenant_id: TenantId,
        groups: Some[str] = (),
        *,
        collection: CollectionName | None = None,
        aside: str | None = None,
    ) -> ServerTenantVectors:
        of = self._collections
        where = of.shared if collection is None else of.own(collection)
        if aside is not None:
            shown = schema.seen_aside(aside)
            return ServerTenantVectors(tenant_id, shown, where, stages_for=shown)
        return ServerTenantVectors(tenant_id, schema.seen_by(groups), where)

    async def ping(self) -> None:
        shared = self._collections.shared
        if not await shared.read(
            lambda client: client.collection_exists(shared.name), missing=False
        ):
            raise Unavailable("the collection is missing on the Qdrant server")

    async def describe(self) -> list[Remark]:
        """What is well with server and collection, and what is not; changes nothing."""
        layout = self._collections.shared.layout
        return await inspect(self._connection, layout, key_is_readable=self._key_is_readable)

    async def close(self) -> None:
        await self._connection.close()
