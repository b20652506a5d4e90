"""Where each tenant's points live: a collection, on the Qdrant server that all share or its own.

Vectors of two embedders are never in one collection: each embedder has an index, which is
everything that its vectors are in, and a home is in the index of the embedder that it names.

The metadata database says where. Those who search remember it for
`REMEMBERED_SECONDS`, so whoever moves a tenant keeps the old home as it was for
longer than that; those who write ask each time.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from carrel.database.engine import Database
from carrel.database.tables import tenants
from carrel.domain.errors import NotFound, Unavailable
from carrel.domain.ids import CollectionName, TenantId
from carrel.embedding.embedder import DEFAULT_IDENTITY
from carrel.vectors.store import TenantVectors, VectorStore

log = logging.getLogger(__name__)

REMEMBERED_SECONDS = 2.0
REMEMBERED_TENANTS = 10_000

_HOME = select(tenants.c.server, tenants.c.collection, tenants.c.embedder, tenants.c.status).where(
    tenants.c.id == bindparam("tenant_id")
)


@dataclass(frozen=True, slots=True)
class Home:
    """A place for one tenant's points, in the index of *embedder*, which is an identity.

    No server: the one that tenants share.
    """

    server: str | None = None
    collection: CollectionName | None = None
    embedder: str = DEFAULT_IDENTITY


SHARED = Home()


@dataclass(frozen=True, slots=True)
class Index:
    """Where the vectors of one embedder are: *open_server* opens the Qdrant server of a name."""

    shared: VectorStore
    open_server: Callable[[str], VectorStore]


class Homes:
    """Finds a tenant's points, in *indexes* by their embedders' identities."""

    def __init__(self, database: Database, indexes: Mapping[str, Index]) -> None:
        self._database = database
        self._indexes = indexes
        self._servers: dict[tuple[str, str], VectorStore] = {}
        self._remembered: OrderedDict[TenantId, tuple[float, Home]] = OrderedDict()

    async def of(self, tenant_id: TenantId, groups: Collection[str] = ()) -> TenantVectors:
        """The tenant's points, to search.

        Raises:
            NotFound: no such tenant.
            Unavailable: the database does not answer, or the settings lack the tenant's server
                or embedder.
        """
        return self.at(await self.remembered(tenant_id), tenant_id, groups)

    async def remembered(self, tenant_id: TenantId) -> Home:
        """Where the tenant's points are to be searched: where they were a moment ago, at most.

        Raises:
            NotFound, Unavailable: as `of`.
        """
        entry = self._remembered.get(tenant_id)
        if entry is None or entry[0] < time.monotonic():
            entry = (time.monotonic() + REMEMBERED_SECONDS, await self.find(tenant_id))
            self._remembered[tenant_id] = entry
            self._remembered.move_to_end(tenant_id)
            if len(self._remembered) > REMEMBERED_TENANTS:
                self._remembered.popitem(last=False)
        return entry[1]

    async def now(self, tenant_id: TenantId) -> TenantVectors:
        """The tenant's points, to write: where they are at this moment.

        Raises:
            NotFound, Unavailable: as `of`.
        """
        return self.at(await self.find(tenant_id), tenant_id)

    async def find(self, tenant_id: TenantId) -> Home:
        """Where the tenant's points are, as the database says.

        Raises:
            NotFound: no such tenant.
        """
        rows = await self._database.few(_HOME, {"tenant_id": tenant_id})
        if not rows:
            raise NotFound(f"no tenant {tenant_id}")
        server, collection, embedder, _ = rows[0]
        return Home(server, collection, embedder)

    async def present(self, tenant_id: TenantId) -> Home | None:
        """Where to write what may as well be lost; None: the tenant is gone, or being erased."""
        rows = await self._database.few(_HOME, {"tenant_id": tenant_id})
        if not rows:
            return None
        server, collection, embedder, status = rows[0]
        return None if status == "erasing" else Home(server, collection, embedder)

    def at(
        self,
        home: Home,
        tenant_id: TenantId,
        groups: Collection[str] = (),
        *,
        aside: str | None = None,
    ) -> TenantVectors:
        """The tenant's points in *home*, whether or not that is where they are served from.

        With *aside*, those that lie beside its documents under that word.

        Raises:
            Unavailable: the settings lack its server or its embedder.
        """
        index = self._indexes.get(home.embedder)
        if index is None:
            log.error("a tenant's vectors are of %s, which the settings don't name", home.embedder)
            raise Unavailable(
                "the embedder of this tenant is not configured", retry_after_seconds=30
            )
        store = index.shared if home.server is None else self._server(home.embedder, home.server)
        return store.tenant(tenant_id, groups, collection=home.collection, aside=aside)

    async def close(self) -> None:
        for store in self._servers.values():
            await store.close()

    def knows(self, home: Home) -> bool:
        """Whether *home* is in an index that is there; one of an embedder of long ago is not."""
        return home.embedder in self._indexes

    @property
    def shared(self) -> list[Home]:
        """The home that tenants share, in each index."""
        return [Home(embedder=identity) for identity in self._indexes]

    def _server(self, identity: str, name: str) -> VectorStore:
        key = (identity, name)
        if key not in self._servers:
            self._servers[key] = self._indexes[identity].open_server(name)
        return self._servers[key]
