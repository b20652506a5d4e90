"""Jobs: work on documents that must happen, once accepted, whatever dies meanwhile.

A job is a row. A worker takes it by a lease and renews the lease while it works;
a lease that runs out frees the job for another. Work done under a lost lease
cannot be committed: `Job.finish` fences it. Jobs of one document run one at a
time, oldest first.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import and_, delete, exists, func, insert, or_, select, update

from carrel.database.engine import Database, Transaction
from carrel.database.tables import jobs
from carrel.domain.ids import DocumentId, JobId, TenantId, new_id

JobKind = Literal["ingest", "tidy", "remove"]


class LeaseLost(Exception):
    """Another worker may have the job: stop, and change nothing."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the worker that leased it sees it."""

    id: JobId
    kind: JobKind
    tenant_id: TenantId
    document_id: DocumentId
    version: int
    attempts: int


async def add_job(
    connection: Transaction,
    kind: JobKind,
    tenant_id: TenantId,
    document_id: DocumentId,
    version: int,
) -> None:
    """Record a job within the caller's transaction: it exists if and only if that commits."""
    now = datetime.now(UTC)
    await connection.execute(
        insert(jobs).values(
            id=new_id("job"),
            kind=kind,
            tenant_id=tenant_id,
            document_id=document_id,
            version=version,
            attempts=0,
            run_after=now,
            created_at=now,
        )
    )


class JobQueue:
    """The jobs of all tenants, as one worker sees them."""

    def __init__(
        self, database: Database, *, owner: str, lease_seconds: float, per_tenant: int = 4
    ) -> None:
        self._database = database
        self._owner = owner
        self._lease = timedelta(seconds=lease_seconds)
        self._per_tenant = per_tenant

    async def claim(self) -> Job | None:
        """Lease the oldest job that may run now, or None.

        A tenant with `per_tenant` jobs under way waits its turn.
        """
        now = datetime.now(UTC)
        other = jobs.alias("other")
        ahead = exists().where(
            other.c.tenant_id == jobs.c.tenant_id,
            other.c.document_id == jobs.c.document_id,
            or_(other.c.id < jobs.c.id, other.c.lease_until > now),
            other.c.id != jobs.c.id,
        )
        under_way = (
            select(func.count())
            .select_from(other)
            .where(other.c.tenant_id == jobs.c.tenant_id, other.c.lease_until > now)
            .scalar_subquery()
        )
        candidate = (
            select(jobs.c.id)
            .where(
                jobs.c.run_after <= now,
                or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= now),
                ~ahead,
                under_way < self._per_tenant,
            )
            .order_by(jobs.c.run_after, jobs.c.id)
            .limit(1)
        )
        if not self._database.is_sqlite:
            candidate = candidate.with_for_update(skip_locked=True)
        statement = (
            update(jobs)
            .where(jobs.c.id == candidate.scalar_subquery())
            .values(
                lease_owner=self._owner,
                lease_until=now + self._lease,
                attempts=jobs.c.attempts + 1,
            )
            .returning(jobs)
        )
        if not await self._is_due(now):
            return None
        async with self._database.write() as connection:
            row = (await connection.execute(statement)).first()
        if row is None:
            return None
        return Job(row.id, row.kind, row.tenant_id, row.document_id, row.version, row.attempts)

    async def keep(self, job: Job) -> None:
        """Keep the job for another lease.

        Raises:
            LeaseLost: it ran out, and another worker may have the job.
        """
        async with self._database.write() as connection:
            await self.renew(connection, job)

    async def renew(self, connection: Transaction, job: Job) -> None:
        """Keep the job for another lease, within the caller's transaction.

        Raises:
            LeaseLost: the transaction must be rolled back.
        """
        later = datetime.now(UTC) + self._lease
        statement = update(jobs).where(self._mine(job)).values(lease_until=later)
        if (await connection.execute(statement)).rowcount == 0:
            raise LeaseLost

    async def finish(self, connection: Transaction, job: Job) -> None:
        """End the job within the caller's transaction, which holds its results.

        Raises:
            LeaseLost: the transaction must be rolled back.
        """
        if (await connection.execute(delete(jobs).where(self._mine(job)))).rowcount == 0:
            raise LeaseLost

    async def retry(self, job: Job, *, after_seconds: float) -> None:
        """Give the job back, to be run again later."""
        later = datetime.now(UTC) + timedelta(seconds=after_seconds)
        statement = (
            update(jobs)
            .where(self._mine(job))
            .values(run_after=later, lease_until=None, lease_owner=None)
        )
        async with self._database.write() as connection:
            await connection.execute(statement)

    async def release(self, job: Job) -> None:
        """Give the job back untouched: the worker is stopping."""
        statement = (
            update(jobs)
            .where(self._mine(job))
            .values(lease_until=None, lease_owner=None, attempts=jobs.c.attempts - 1)
        )
        async with self._database.write() as connection:
            await connection.execute(statement)

    async def _is_due(self, now: datetime) -> bool:
        # A look costs readers nothing; a claim takes the write lock.
        due = jobs.c.run_after <= now
        free = or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= now)
        return bool(await self._database.fetch(select(jobs.c.id).where(due, free).limit(1)))

    def _mine(self, job: Job):
        return and_(jobs.c.id == job.id, jobs.c.lease_owner == self._owner)
