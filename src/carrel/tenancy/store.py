"""Tenants in the metadata database."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from carrel.database.engine import Database
from carrel.database.tables import tenants
from carrel.domain.errors import NotFound
from carrel.domain.ids import TenantId, new_id
from carrel.domain.tenant import Isolation, Limits, Tenant, TenantStatus
from carrel.embedding.embedder import DEFAULT_IDENTITY
from carrel.placement.moves import claim_server, home_of

# One that is being erased is gone for everyone but the worker that does it.
_is_there = tenants.c.status != "erasing"


class TenantStore:
    """Makes, finds and changes tenants. The vectors of new ones are of *embedder*."""

    def __init__(self, database: Database, embedder: str = DEFAULT_IDENTITY) -> None:
        self._database = database
        self._embedder = embedder

    async def create(
        self, name: str, isolation: Isolation = "shared", server: str | None = None
    ) -> Tenant:
        """A new, active tenant. Names are for people and need not differ.

        Raises:
            Conflict: another tenant has the *server*.
        """
        now = datetime.now(UTC)
        home = home_of(isolation, server, self._embedder)
        tenant = Tenant(
            TenantId(new_id("ten")), name, isolation, server, self._embedder, "active", now, now
        )
        async with self._database.write() as connection:
            await claim_server(connection, tenant.id, server)
            await connection.execute(
                insert(tenants).values(
                    id=tenant.id,
                    name=name,
                    isolation=isolation,
                    server=home.server,
                    collection=home.collection,
                    embedder=home.embedder,
                    status="active",
                    limits={},
                    corpus_version=0,
                    created_at=now,
                    updated_at=now,
                )
            )
        return tenant

    async def get(self, tenant_id: TenantId) -> Tenant:
        """The tenant.

        Raises:
            NotFound: no such tenant.
        """
        query = select(tenants).where(tenants.c.id == tenant_id, _is_there)
        rows = await self._database.fetch(query)
        if not rows:
            raise NotFound(f"no tenant {tenant_id}")
        return _tenant(rows[0])

    async def list(self) -> list[Tenant]:
        """All tenants, oldest first."""
        query = select(tenants).where(_is_there).order_by(tenants.c.created_at, tenants.c.id)
        return [_tenant(row) for row in await self._database.fetch(query)]

    async def change(
        self, tenant_id: TenantId, *, name: str | None = None, status: TenantStatus | None = None
    ) -> Tenant:
        """Set what is given; the tenant as it is then.

        Raises:
            NotFound: no such tenant.
        """
        values: dict[str, Any] = {"updated_at": datetime.now(UTC)}
        if name is not None:
            values["name"] = name
        if status is not None:
            values["status"] = status
        async with self._database.write() as connection:
            await connection.execute(
                update(tenants).where(tenants.c.id == tenant_id, _is_there).values(**values)
            )
        return await self.get(tenant_id)


def _tenant(row: Row[*tuple[Any, ...]]) -> Tenant:
    return Tenant(
        id=row.id,
        name=row.name,
        isolation=row.isolation,
        server=row.server,
        embedder=row.embedder,
        status=row.status,
        created_at=row.created_at,
        updated_at=row.updated_at,
        limits=Limits(**row.limits),
    )
