"""What administrators did: who, what, to whom, when, and in which request.

An entry is written in the transaction of what it tells of: neither is there
without the other. No entry holds a secret. When a tenant is erased its entries
stay, without their details.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from carrel.database.engine import Database, Transaction
from carrel.database.tables import audit
from carrel.domain.ids import KeyId, RequestId, TenantId, new_id


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts as an administrator, by which request; no request: at the command line."""

    key_id: KeyId
    request_id: RequestId | None = None


# Whoever runs a command on the server's own machine, with the database at hand.
OPERATOR = Actor(KeyId("operator"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One action. *target* is the id of what it was done to."""

    id: str
    at: datetime
    actor: KeyId
    action: str
    target: str
    tenant_id: TenantId | None
    details: dict[str, Any]
    request_id: RequestId | None


async def record(
    transaction: Transaction,
    by: Actor,
    action: str,
    *,
    target: str,
    tenant_id: TenantId | None,
    details: dict[str, Any] | None = None,
) -> None:
    """Write an entry in *transaction*; *action* is like `key.rotate`, *details* are JSON."""
    await transaction.execute(
        insert(audit).values(
            id=new_id("aud"),
            at=datetime.now(UTC),
            actor=by.key_id,
            action=action,
            target=target,
            tenant_id=tenant_id,
            details=details or {},
            request_id=by.request_id,
        )
    )


async def forget_details(transaction: Transaction, tenant_id: TenantId) -> None:
    """Empty the details of the tenant's entries, which may hold names."""
    await transaction.execute(
        update(audit).where(audit.c.tenant_id == tenant_id).values(details={})
    )


class AuditLog:
    """Entries, to be read; and to be added to where no other transaction is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        by: Actor,
        action: str,
        *,
        target: str,
        tenant_id: TenantId | None,
        details: dict[str, Any] | None = None,
    ) -> None:
        """An entry for an action that is no transaction of this database."""
        async with self._database.write() as transaction:
            await record(
                transaction, by, action, target=target, tenant_id=tenant_id, details=details
            )

    async def entries(
        self, *, limit: int, after: str | None = None, tenant_id: TenantId | None = None
    ) -> Sequence[Entry]:
        """The newest *limit* entries, newest first; those older than the entry *after*."""
        query = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if after is not None:
            query = query.where(audit.c.id < after)
        if tenant_id is not None:
            query = query.where(audit.c.tenant_id == tenant_id)
        return [_entry(row) for row in await self._database.fetch(query)]


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    return Entry(
        id=row.id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        target=row.target,
        tenant_id=row.tenant_id,
        details=row.details,
        request_id=row.request_id,
    )
