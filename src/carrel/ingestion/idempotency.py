"""Idempotency keys: a request that a client repeats is carried out once.

Semantics: the IETF draft "The Idempotency-Key HTTP Header Field" (httpapi). A key
belongs to a tenant. A request that died half-way frees its key after
`IN_FLIGHT_SECONDS`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from carrel.database.engine import Database, Transaction
from carrel.database.tables import idempotency_keys as table
from carrel.domain.errors import Conflict, InvalidRequest
from carrel.domain.ids import DocumentId, TenantId

IN_FLIGHT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Carried:
    """What the first request with the key did."""

    body_hash: str
    document_id: DocumentId

    def check(self, body_hash: str) -> None:
        """Raises `InvalidRequest` when the repeated request differs from the first."""
        if body_hash != self.body_hash:
            raise InvalidRequest(
                "this Idempotency-Key was used with another body", param="Idempotency-Key"
            )


async def begin(database: Database, tenant_id: TenantId, key: str) -> Carried | None:
    """Reserve the key; or what its first request did, if that is done.

    Raises:
        Conflict: the first request is still under way.
    """
    now = datetime.now(UTC)
    mine = (table.c.tenant_id == tenant_id) & (table.c.key == key)
    try:
        async with database.write(brief=True) as connection:
            row = (await connection.execute(select(table).where(mine))).first()
            if row is None:
                await connection.execute(
                    insert(table).values(tenant_id=tenant_id, key=key, body_hash="", created_at=now)
                )
                return None
            if row.document_id is not None:
                return Carried(row.body_hash, row.document_id)
            if row.created_at > now - timedelta(seconds=IN_FLIGHT_SECONDS):
                raise Conflict("a request with this Idempotency-Key is under way")
            await connection.execute(update(table).where(mine).values(created_at=now))
            return None
    except IntegrityError:
        raise Conflict("a request with this Idempotency-Key is under way") from None


async def complete(
    connection: Transaction,
    tenant_id: TenantId,
    key: str,
    body_hash: str,
    document_id: DocumentId,
) -> None:
    """Record, in the caller's transaction, what the request did."""
    await connection.execute(
        update(table)
        .where(table.c.tenant_id == tenant_id, table.c.key == key)
        .values(body_hash=body_hash, document_id=document_id)
    )


async def abandon(database: Database, tenant_id: TenantId, key: str) -> None:
    """Free the key of a request that failed."""
    async with database.write(brief=True) as connection:
        await connection.execute(
            delete(table).where(
                table.c.tenant_id == tenant_id, table.c.key == key, table.c.document_id.is_(None)
            )
        )
