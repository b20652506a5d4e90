"""Jobs: work that must happen, once accepted, whatever dies meanwhile.

A job is a row. A worker takes it by a lease and renews the lease while it works;
a lease that runs out frees the job for another. Work done under a lost lease
cannot be committed: `JobQueue.finish` fences it. Jobs of one document run one at
a time, oldest first. A job on the tenant as a whole (a move, an erasure) may hold
the tenant's other jobs: they wait until it lets them go, or ends.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select, update

from carrel.database.engine import Database, Transaction
from carrel.database.tables import jobs, tenants
from carrel.domain.ids import DocumentId, JobId, TenantId, new_id

JobKind = Literal["ingest", "tidy", "remove", "move", "erase"]
WHOLE_TENANT = DocumentId("")  # stands where a job is about no document


PAUSE_SECONDS = 0.1


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
    document_id: DocumentId = WHOLE_TENANT,
    version: int = 0,
) -> JobId:
    """Record a job within the caller's transaction: it exists if and only if that commits."""
    now = datetime.now(UTC)
    job_id = JobId(new_id("job"))
    await connection.execute(
        insert(jobs).values(
            id=job_id,
            kind=kind,
            tenant_id=tenant_id,
            document_id=document_id,
            version=version,
            attempts=0,
            run_after=now,
            created_at=now,
        )
    )
    return job_id


async def hold(connection: Transaction, tenant_id: TenantId, job_id: JobId) -> None:
    """Let no job of the tenant start but this one. Those under way go on: see `JobQueue.alone`."""
    await connection.execute(
        update(tenants).where(tenants.c.id == tenant_id).values(held_by=job_id)
    )


async def let_go(connection: Transaction, tenant_id: TenantId, job_id: JobId) -> None:
    """End the hold of this job, if it has one."""
    mine = and_(tenants.c.id == tenant_id, tenants.c.held_by == job_id)
    await connection.execute(update(tenants).where(mine).values(held_by=None))


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
        of_the_document = exists().where(
            other.c.tenant_id == jobs.c.tenant_id,
            other.c.document_id == jobs.c.document_id,
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
                ~of_the_document.where(other.c.lease_until > now),
                # Whoever holds the tenant does not wait for older jobs: they wait for it.
                or_(~of_the_document.where(other.c.id < jobs.c.id), _holds()),
                ~_held(),
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
        job = Job(row.id, row.kind, row.tenant_id, row.document_id, row.version, row.attempts)
        # Held while it was being claimed: either the holder sees this lease, or this sees the hold.
        if await self._database.fetch(select(jobs.c.id).where(jobs.c.id == job.id, _held())):
            await self.release(job)
            return None
        return job

    async def alone(self, job: Job) -> None:
        """Return once no other job of the tenant is being carried out."""
        while True:
            if not await self._others_at_work(job):
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _others_at_work(self, job: Job) -> bool:
        query = (
            select(jobs.c.id)
            .where(
                jobs.c.tenant_id == job.tenant_id,
                jobs.c.id != job.id,
                jobs.c.lease_until > datetime.now(UTC),
            )
            .limit(1)
        )
        return bool(await self._database.fetch(query))

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


def _holds() -> ColumnElement[bool]:
    """True for the job that holds its tenant."""
    return exists().where(tenants.c.id == jobs.c.tenant_id, tenants.c.held_by == jobs.c.id)


def _held() -> ColumnElement[bool]:
    """True for a job whose tenant another job holds."""
    return exists().where(
        tenants.c.id == jobs.c.tenant_id,
        tenants.c.held_by.is_not(None),
        tenants.c.held_by != jobs.c.id,
    )
