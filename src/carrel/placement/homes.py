"""Where each tenant's points live: a collection, on the Qdrant server that all share or its own.

The metadata database says where. Those who search remember it for
`REMEMBERED_SECONDS`, so whoever moves a tenant keeps the old home as it was for
longer than that; those who write ask each time.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from carrel.database.engine import Database
from carrel.database.tables import tenants
from carrel.domain.errors import NotFound
from carrel.domain.ids import CollectionName, TenantId
from carrel.vectors.store import TenantVectors, VectorStore

REMEMBERED_SECONDS = 2.0
REMEMBERED_TENANTS = 10_000

_HOME = select(tenants.c.server, tenants.c.collection).where(tenants.c.id == bindparam("tenant_id"))


@dataclass(frozen=True, slots=True)
class Home:
    """A place for one tenant's points. No server: the one that tenants share."""

    server: str | None = None
    collection: CollectionName | None = None


SHARED = Home()


class Homes:
    """Finds a tenant's points. *open_server* opens the Qdrant server of a name."""

    def __init__(
        self,
        database: Database,
        shared: VectorStore,
        open_server: Callable[[str], VectorStore],
    ) -> None:
        self._database = database
        self._shared = shared
        self._open_server = open_server
        self._servers: dict[str, VectorStore] = {}
        self._remembered: OrderedDict[TenantId, tuple[float, Home]] = OrderedDict()

    async def of(self, tenant_id: TenantId, groups: Collection[str] = ()) -> TenantVectors:
        """The tenant's points, to search.

        Raises:
            NotFound: no such tenant.
            Unavailable: the database does not answer, or the settings lack the tenant's server.
        """
        entry = self._remembered.get(tenant_id)
        if entry is None or entry[0] < time.monotonic():
            entry = (time.monotonic() + REMEMBERED_SECONDS, await self.find(tenant_id))
            self._remembered[tenant_id] = entry
            self._remembered.move_to_end(tenant_id)
            if len(self._remembered) > REMEMBERED_TENANTS:
                self._remembered.popitem(last=False)
        return self.at(entry[1], tenant_id, groups)

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
        rows = await self._database.fetch(_HOME, {"tenant_id": tenant_id})
        if not rows:
            raise NotFound(f"no tenant {tenant_id}")
        return Home(rows[0].server, rows[0].collection)

    def at(self, home: Home, tenant_id: TenantId, groups: Collection[str] = ()) -> TenantVectors:
        """The tenant's points in *home*, whether or not that is where they are served from."""
        store = self._shared if home.server is None else self._server(home.server)
        return store.tenant(tenant_id, groups, collection=home.collection)

    async def close(self) -> None:
        for store in self._servers.values():
            await store.close()

    def _server(self, name: str) -> VectorStore:
        if name not in self._servers:
            self._servers[name] = self._open_server(name)
        return self._servers[name]
