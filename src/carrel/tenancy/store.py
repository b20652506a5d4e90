"""Tenants in the metadata database."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from carrel.database.engine import Database
from carrel.database.tables import tenants
from carrel.domain.errors import NotFound
from carrel.domain.ids import TenantId, new_id
from carrel.domain.tenant import Isolation, Limits, Tenant, TenantStatus


class TenantStore:
    """Makes, finds and changes tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, name: str, isolation: Isolation = "shared") -> Tenant:
        """A new, active tenant. Names are for people and need not differ."""
        now = datetime.now(UTC)
        tenant = Tenant(TenantId(new_id("ten")), name, isolation, "active", now, now)
        async with self._database.write() as connection:
            await connection.execute(
                insert(tenants).values(
                    id=tenant.id,
                    name=name,
                    isolation=isolation,
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
        rows = await self._database.fetch(select(tenants).where(tenants.c.id == tenant_id))
        if not rows:
            raise NotFound(f"no tenant {tenant_id}")
        return _tenant(rows[0])

    async def list(self) -> list[Tenant]:
        """All tenants, oldest first."""
        query = select(tenants).order_by(tenants.c.created_at, tenants.c.id)
        return [_tenant(row) for row in await self._database.fetch(query)]

    async def change(
        self,
        tenant_id: TenantId,
        *,
        name: str | None = None,
        status: TenantStatus | None = None,
        log_content: bool | None = None,
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
        if log_content is not None:
            values["log_content"] = log_content
        async with self._database.write() as connection:
            await connection.execute(
                update(tenants).where(tenants.c.id == tenant_id).values(**values)
            )
        return await self.get(tenant_id)

    async def remove(self, tenant_id: TenantId) -> None:
        """Delete the tenant's rows, and by cascade its keys, documents and jobs."""
        async with self._database.write() as connection:
            await connection.execute(delete(tenants).where(tenants.c.id == tenant_id))


def _tenant(row: Row[*tuple[Any, ...]]) -> Tenant:
    return Tenant(
        id=row.id,
        name=row.name,
        isolation=row.isolation,
        status=row.status,
        created_at=row.created_at,
        updated_at=row.updated_at,
        limits=Limits(**row.limits),
        log_content=row.log_content,
    )
