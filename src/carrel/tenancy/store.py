"""Tenants in the metadata database.

Each change leaves an entry in the audit log, in its own transaction.
"""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from carrel.database.engine import Database, Transaction
from carrel.database.tables import tenants
from carrel.domain.errors import NotFound
from carrel.domain.ids import TenantId, new_id
from carrel.domain.tenant import (
    Budget,
    Isolation,
    Limits,
    Quotas,
    SemanticCache,
    Tenant,
    TenantStatus,
)
from carrel.embedding.embedder import DEFAULT_IDENTITY
from carrel.placement.moves import claim_server, home_of
from carrel.tenancy.audit import OPERATOR, Actor, record
from carrel.tenancy.terms import (
    UNCHANGED,
    Unchanged,
    budget_from_row,
    budget_to_row,
    limits_from_row,
    limits_to_row,
    quotas_from_row,
)

# One that is being erased is gone for everyone but the worker that does it.
_is_there = tenants.c.status != "erasing"


class TenantStore:
    """Makes, finds and changes tenants. The vectors of new ones are of *embedder*."""

    def __init__(self, database: Database, embedder: str = DEFAULT_IDENTITY) -> None:
        self._database = database
        self._embedder = embedder

    async def create(
        self,
        name: str,
        isolation: Isolation = "shared",
        server: str | None = None,
        *,
        limits: Limits | None = None,
        quotas: Quotas | None = None,
        budget: Budget | None = None,
        by: Actor = OPERATOR,
    ) -> Tenant:
        """A new, active tenant. Names are for people and need not differ.

        Raises:
            Conflict: another tenant has the *server*.
        """
        now = datetime.now(UTC)
        home = home_of(isolation, server, self._embedder)
        tenant = Tenant(
            id=TenantId(new_id("ten")),
            name=name,
            isolation=isolation,
            server=server,
            embedder=self._embedder,
            status="active",
            created_at=now,
            updated_at=now,
            limits=limits or Limits(),
            quotas=quotas or Quotas(),
            budget=budget,
        )
        async with self._database.write() as connection:
            await claim_server(connection, tenant.id, server)
            told = _told(tenant)
            await connection.execute(
                insert(tenants).values(
                    id=tenant.id,
                    server=home.server,
                    collection=home.collection,
                    embedder=home.embedder,
                    corpus_version=0,
                    created_at=now,
                    updated_at=now,
                    **told,
                )
            )
            await _record(connection, by, "tenant.create", tenant.id, told)
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
        self,
        tenant_id: TenantId,
        *,
        name: str | None = None,
        status: TenantStatus | None = None,
        log_content: bool | None = None,
        semantic_cache: SemanticCache | None = None,
        limits: Mapping[str, int | None] | None = None,
        quotas: Mapping[str, int | None] | None = None,
        budget: Budget | Unchanged | None = UNCHANGED,
        by: Actor = OPERATOR,
        action: str = "tenant.change",
    ) -> Tenant:
        """Set what is given, of limits and quotas those that are named; the tenant then.

        Raises:
            NotFound: no such tenant.
        """
        given = {
            "name": name,
            "status": status,
            "log_content": log_content,
            "semantic_cache": semantic_cache,
        }
        changes: dict[str, Any] = {
            field: value for field, value in given.items() if value is not None
        }
        if budget is not UNCHANGED:
            changes["budget"] = budget
        async with self._database.write() as connection:
            mine = tenants.c.id == tenant_id
            locked = select(tenants).where(mine, _is_there).with_for_update()
            row = (await connection.execute(locked)).first()
            if row is None:
                raise NotFound(f"no tenant {tenant_id}")
            before = _tenant(row)
            if limits is not None:
                changes["limits"] = dataclasses.replace(before.limits, **limits)
            if quotas is not None:
                changes["quotas"] = dataclasses.replace(before.quotas, **quotas)
            tenant = dataclasses.replace(before, **changes, updated_at=datetime.now(UTC))
            told = {field: _told(tenant)[field] for field in changes}
            await connection.execute(
                update(tenants)
                .where(tenants.c.id == tenant.id)
                .values(**told, updated_at=tenant.updated_at)
            )
            await _record(connection, by, action, tenant.id, told)
        return tenant


async def _record(
    connection: Transaction, by: Actor, action: str, tenant_id: TenantId, told: dict[str, Any]
) -> None:
    await record(connection, by, action, target=tenant_id, tenant_id=tenant_id, details=told)


def _told(tenant: Tenant) -> dict[str, Any]:
    """What administrators set, as the table and the audit log have it."""
    return {
        "name": tenant.name,
        "isolation": tenant.isolation,
        "status": tenant.status,
        "limits": limits_to_row(tenant.limits),
        "quotas": limits_to_row(tenant.quotas),
        "budget": budget_to_row(tenant.budget),
        "log_content": tenant.log_content,
        "semantic_cache": tenant.semantic_cache,
    }


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
        limits=limits_from_row(row.limits),
        quotas=quotas_from_row(row.quotas),
        budget=budget_from_row(row.budget),
        log_content=row.log_content,
        semantic_cache=row.semantic_cache,
    )
