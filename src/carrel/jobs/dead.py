"""Jobs that were given up: kept with the reason, until someone has them tried again.

A dead job holds up nothing: its document has failed, and the version before it serves on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from carrel.database.engine import Database, Transaction
from carrel.database.tables import dead_jobs, documents, jobs, versions
from carrel.domain.errors import Conflict, NotFound
from carrel.domain.ids import DocumentId, JobId, TenantId
from carrel.jobs.queue import PRIORITIES


@dataclass(frozen=True, slots=True)
class DeadJob:
    """What was to be done, how often it was tried, and why it was given up."""

    id: JobId
    kind: str
    tenant_id: TenantId
    document_id: DocumentId
    version: int
    attempts: int
    reason: str
    created_at: datetime
    died_at: datetime


class DeadJobs:
    """Those of all tenants, for administrators."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, *, tenant_id: TenantId | None, limit: int, after: JobId | None
    ) -> Sequence[DeadJob]:
        """Newest first; those that follow *after*, of one tenant or of all."""
        query = select(dead_jobs).order_by(dead_jobs.c.id.desc()).limit(limit)
        if tenant_id is not None:
            query = query.where(dead_jobs.c.tenant_id == tenant_id)
        if after is not None:
            query = query.where(dead_jobs.c.id < after)
        return [_dead(row) for row in await self._database.fetch(query)]

    async def revive(self, job_id: JobId) -> None:
        """Have the job done after all: its document is queued again.

        Raises:
            NotFound: no such dead job.
            Conflict: a newer version of the document has come, or it was deleted.
        """
        async with self._database.write() as connection:
            mine = dead_jobs.c.id == job_id
            dead = (
                await connection.execute(delete(dead_jobs).where(mine).returning(dead_jobs))
            ).first()
            if dead is None:
                raise NotFound(f"no dead job {job_id}")
            newest = select(documents.c.newest_version).where(
                documents.c.tenant_id == dead.tenant_id,
                documents.c.id == dead.document_id,
                documents.c.deleted_through < dead.version,
            )
            queued = await connection.execute(
                update(versions)
                .where(
                    versions.c.tenant_id == dead.tenant_id,
                    versions.c.document_id == dead.document_id,
                    versions.c.version == dead.version,
                    versions.c.version == newest.scalar_subquery(),
                    versions.c.status == "failed",
                )
                .values(status="queued", error=None, progress=0.0, updated_at=datetime.now(UTC))
            )
            if dead.kind != "ingest" or queued.rowcount == 0:
                raise Conflict("there is nothing left to try: a newer version came, or none is")
            await connection.execute(
                insert(jobs).values(
                    id=dead.id,
                    kind=dead.kind,
                    tenant_id=dead.tenant_id,
                    document_id=dead.document_id,
                    version=dead.version,
                    priority=PRIORITIES["normal"],
                    attempts=0,
                    run_after=datetime.now(UTC),
                    created_at=dead.created_at,
                )
            )


async def forget(
    connection: Transaction, tenant_id: TenantId, document_id: DocumentId, *, before: int
) -> None:
    """Drop the dead jobs of a document's versions before this one, which nobody can revive."""
    await connection.execute(
        delete(dead_jobs).where(
            dead_jobs.c.tenant_id == tenant_id,
            dead_jobs.c.document_id == document_id,
            dead_jobs.c.version < before,
        )
    )


def _dead(row: Row[*tuple[Any, ...]]) -> DeadJob:
    return DeadJob(
        id=row.id,
        kind=row.kind,
        tenant_id=row.tenant_id,
        document_id=row.document_id,
        version=row.version,
        attempts=row.attempts,
        reason=row.reason,
        created_at=row.created_at,
        died_at=row.died_at,
    )
