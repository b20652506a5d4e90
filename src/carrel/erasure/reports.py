"""Reports of erasures: what there was, and what a sweep found of it afterwards.

They are kept when the tenant is gone, and hold figures only.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Row, insert, select, update

from carrel.database.engine import Database, Transaction
from carrel.database.tables import erasures
from carrel.domain.errors import NotFound
from carrel.domain.ids import DocumentId, ErasureId, JobId, TenantId

PAUSE_SECONDS = 0.1

ErasureStatus = Literal["running", "leftovers", "done"]


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure of a document's versions, or of a whole tenant where there is no document.

    `found` says how many things there were in each place, `left` how many the last sweep saw.
    `leftovers`: the sweep found some, and the erasure is being tried again.
    """

    id: ErasureId
    tenant_id: TenantId
    document_id: DocumentId | None
    status: ErasureStatus
    found: Mapping[str, int]
    left: Mapping[str, int]
    created_at: datetime
    updated_at: datetime


def erasure_id(job_id: JobId) -> ErasureId:
    """The erasure that a job carries out."""
    return ErasureId(f"era_{job_id.removeprefix('job_')}")


async def open_report(
    connection: Transaction,
    job_id: JobId,
    tenant_id: TenantId,
    document_id: DocumentId | None = None,
) -> ErasureId:
    """Begin the report of what this job will erase, unless it was begun before."""
    name = erasure_id(job_id)
    there = await connection.execute(select(erasures.c.id).where(erasures.c.id == name))
    if there.first() is None:
        now = datetime.now(UTC)
        await connection.execute(
            insert(erasures).values(
                id=name,
                tenant_id=tenant_id,
                document_id=document_id,
                status="running",
                found={},
                left={},
                created_at=now,
                updated_at=now,
            )
        )
    return name


async def note(connection: Transaction, name: ErasureId, **values: Any) -> None:
    """Record how far the erasure is."""
    statement = update(erasures).where(erasures.c.id == name)
    await connection.execute(statement.values(updated_at=datetime.now(UTC), **values))


class ErasureReports:
    """Reads the reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: ErasureId) -> Erasure:
        """The report.

        Raises:
            NotFound: no such erasure.
        """
        rows = await self._database.fetch(select(erasures).where(erasures.c.id == name))
        if not rows:
            raise NotFound(f"no erasure {name}")
        return _erasure(rows[0])

    async def wait(self, name: ErasureId, *, seconds: float) -> Erasure:
        """The report once the erasure is done, or as it is after *seconds*."""
        deadline = time.monotonic() + seconds
        while True:
            erasure = await self.get(name)
            if erasure.status == "done" or time.monotonic() >= deadline:
                return erasure
            await asyncio.sleep(PAUSE_SECONDS)

    async def list(
        self, *, tenant_id: TenantId | None, limit: int, after: ErasureId | None
    ) -> Sequence[Erasure]:
        """The reports, newest first; those that follow *after*, of one tenant or of all."""
        query = select(erasures).order_by(erasures.c.id.desc()).limit(limit)
        if tenant_id is not None:
            query = query.where(erasures.c.tenant_id == tenant_id)
        if after is not None:
            query = query.where(erasures.c.id < after)
        return [_erasure(row) for row in await self._database.fetch(query)]


def _erasure(row: Row[*tuple[Any, ...]]) -> Erasure:
    return Erasure(
        id=row.id,
        tenant_id=row.tenant_id,
        document_id=row.document_id,
        status=row.status,
        found=row.found,
        left=row.left,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
