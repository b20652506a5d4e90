"""How much a tenant may keep here, and have in the queue.

Each check is part of the transaction that it allows, behind a lock on the tenant's
row: uploads at the same time cannot pass a quota together. What a version replaces
does not count beside it.
"""

from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, func, select

from carrel.database.access import is_there
from carrel.database.engine import Database, Transaction
from carrel.database.tables import documents, jobs, tenants, versions
from carrel.domain.errors import QuotaExhausted, RateLimited
from carrel.domain.ids import DocumentId, TenantId
from carrel.jobs.queue import PRIORITIES
from carrel.telemetry import metrics

RETRY_AFTER_SECONDS = 10
# By their priorities, which other jobs don't have: all of it is in one index.
_OF_DOCUMENTS = jobs.c.priority.between(min(PRIORITIES.values()), max(PRIORITIES.values()))
# How many of the tenant's documents wait, or are under way.
_QUEUED = (
    select(func.count())
    .select_from(jobs)
    .where(jobs.c.tenant_id == bindparam("tenant_id"), _OF_DOCUMENTS)
)
_WAITING = select(tenants.c.quotas, _QUEUED.scalar_subquery().label("queued")).where(
    tenants.c.id == bindparam("tenant_id")
)


class Quotas:
    """Checks what tenants upload; *queued_documents* is for those without a quota of their own."""

    def __init__(self, database: Database, *, queued_documents: int) -> None:
        self._database = database
        self._queued_documents = queued_documents

    async def check_queue(self, tenant_id: TenantId) -> None:
        """Before anything of an upload is read.

        Raises:
            RateLimited: as many documents of the tenant wait as may.
        """
        # One query, not a transaction: hundreds of uploads at once must not wait for connections.
        for row in await self._database.fetch(_WAITING, {"tenant_id": tenant_id}):
            self._check_queue(row.quotas, row.queued)

    async def room(self, tenant_id: TenantId) -> int:
        """How many more documents of the tenant may wait."""
        for row in await self._database.fetch(_WAITING, {"tenant_id": tenant_id}):
            return max(0, self._most(row.quotas) - row.queued)
        return 0

    async def admit(
        self, connection: Transaction, tenant_id: TenantId, document_id: DocumentId, size: int
    ) -> None:
        """Within the transaction that records a version of *size* bytes.

        Raises:
            RateLimited: as many documents of the tenant wait as may.
            QuotaExhausted: with this one there would be more documents, or bytes, than may be.
        """
        quotas = await _quotas(connection, tenant_id, lock=True)
        queued = (await connection.execute(_QUEUED, {"tenant_id": tenant_id})).scalar_one()
        self._check_queue(quotas, queued)
        await _check_room(connection, tenant_id, document_id, size, quotas)

    def _check_queue(self, quotas: dict[str, Any], queued: int) -> None:
        most = self._most(quotas)
        if queued < most:
            return
        metrics.limit_refusals.labels("queue").inc()
        raise RateLimited(
            f"{most:,} documents of the tenant wait already",
            scope="tenant",
            kind="queue",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )

    def _most(self, quotas: dict[str, Any]) -> int:
        return quotas.get("queued_documents") or self._queued_documents


async def check_size(
    connection: Transaction, tenant_id: TenantId, document_id: DocumentId, size: int
) -> None:
    """Within the transaction that records how large a document is that was fetched.

    Raises:
        QuotaExhausted: with it there would be more bytes than may be.
    """
    quotas = await _quotas(connection, tenant_id, lock=True)
    await _check_room(connection, tenant_id, document_id, size, quotas)


async def _check_room(
    connection: Transaction,
    tenant_id: TenantId,
    document_id: DocumentId,
    size: int,
    quotas: dict[str, Any],
) -> None:
    most_documents, most_bytes = quotas.get("documents"), quotas.get("bytes")
    if most_documents is None and most_bytes is None:
        return
    kept = await _others(connection, tenant_id, document_id)
    if most_documents is not None and kept.documents >= most_documents:
        raise QuotaExhausted(f"the tenant may keep {most_documents:,} documents, and does")
    if most_bytes is not None and kept.bytes + size > most_bytes:
        left = max(0, most_bytes - kept.bytes)
        raise QuotaExhausted(
            f"the tenant may keep files of {most_bytes:,} bytes together: {left:,} are left"
        )


async def check_chunks(
    connection: Transaction, tenant_id: TenantId, document_id: DocumentId, chunks: int
) -> None:
    """Within the transaction that makes a version of so many *chunks* searchable.

    Raises:
        QuotaExhausted: with them there would be more than may be.
    """
    # Jobs under way pass one by one only where there is something to count.
    if (await _quotas(connection, tenant_id)).get("chunks") is None:
        return
    most = (await _quotas(connection, tenant_id, lock=True)).get("chunks")
    if most is None:
        return
    query = (
        select(func.coalesce(func.sum(versions.c.chunks), 0))
        .select_from(documents.join(versions, _of(documents.c.live_version)))
        .where(documents.c.tenant_id == tenant_id, documents.c.id != document_id)
    )
    kept = await connection.run_sync(lambda plain: plain.execute(query).scalar_one())
    left = max(0, most - int(kept))
    if chunks > left:
        raise QuotaExhausted(
            f"the tenant may keep {most:,} chunks: {left:,} are left, "
            f"and the document comes to {chunks:,}"
        )


def _of(number: ColumnElement[int]) -> ColumnElement[bool]:
    """The version of a document that has this number."""
    return and_(
        versions.c.tenant_id == documents.c.tenant_id,
        versions.c.document_id == documents.c.id,
        versions.c.version == number,
    )


async def _quotas(
    connection: Transaction, tenant_id: TenantId, *, lock: bool = False
) -> dict[str, Any]:
    query = select(tenants.c.quotas).where(tenants.c.id == tenant_id)
    if lock:
        query = query.with_for_update(key_share=True)  # SQLite's writers take turns anyhow
    return (await connection.execute(query)).scalar_one_or_none() or {}


async def _others(
    connection: Transaction, tenant_id: TenantId, document_id: DocumentId
) -> Row[*tuple[Any, ...]]:
    query = (
        select(
            func.count().label("documents"),
            func.coalesce(func.sum(versions.c.bytes), 0).label("bytes"),
        )
        .select_from(documents.join(versions, _of(documents.c.newest_version)))
        .where(documents.c.tenant_id == tenant_id, documents.c.id != document_id, is_there)
    )
    return await connection.run_sync(lambda plain: plain.execute(query).one())
