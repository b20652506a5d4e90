"""Jobs: work that must happen, once accepted, whatever dies meanwhile.

A job is a row. A worker takes it by a lease and renews the lease while it works;
a lease that runs out frees the job for another. Work done under a lost lease
cannot be committed: `JobQueue.finish` fences it. Jobs of one document run one at
a time, oldest first. Tenants take turns, whatever the length of their queues. A
job on the tenant as a whole (a move, an erasure) may hold the tenant's other
jobs: they wait until it lets them go, or ends.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal

from sqlalchemy import Row, and_, bindparam, delete, insert, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from carrel.database.engine import Database, Transaction
from carrel.database.tables import dead_jobs, jobs, tenants
from carrel.domain.ids import DocumentId, JobId, TenantId, new_id
from carrel.jobs.turns import is_ready, next_of, next_tenants
from carrel.telemetry import trace

JobKind = Literal["ingest", "discard", "tidy", "remove", "move", "erase"]
Priority = Literal["high", "normal", "low"]
WHOLE_TENANT = DocumentId("")  # stands where a job is about no document
PRIORITIES: dict[Priority, int] = {"high": 10, "normal": 20, "low": 30}
# What makes room, or ends something, before what fills it; leftovers, when nothing else is due.
_OF_KIND = {"discard": 0, "remove": 0, "move": 0, "erase": 0, "tidy": 40}
PAUSE_SECONDS = 0.1
_ANY_READY = select(jobs.c.id).where(is_ready()).limit(1)


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
    created_at: datetime
    traceparent: str | None = None  # the work that wanted it done, where that is traced


async def add_job(
    connection: Transaction,
    kind: JobKind,
    tenant_id: TenantId,
    document_id: DocumentId = WHOLE_TENANT,
    version: int = 0,
    *,
    priority: Priority = "normal",
) -> JobId:
    """Record a job within the caller's transaction: it exists if and only if that commits.

    *priority* is among the tenant's documents; jobs of other kinds have their own.
    """
    row = job_row(kind, tenant_id, document_id, version, priority=priority)
    await connection.execute(insert(jobs), row)
    return row["id"]


def job_row(
    kind: JobKind,
    tenant_id: TenantId,
    document_id: DocumentId,
    version: int,
    *,
    priority: Priority,
) -> dict[str, Any]:
    """The row of a new job, which may run at once."""
    now = datetime.now(UTC)
    return {
        "id": JobId(new_id("job")),
        "kind": kind,
        "tenant_id": tenant_id,
        "document_id": document_id,
        "version": version,
        "priority": _OF_KIND.get(kind, PRIORITIES[priority]),
        "attempts": 0,
        "run_after": now,
        "created_at": now,
        "traceparent": trace.traceparent(),
    }


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
        self._lease_time = timedelta(seconds=lease_seconds)
        self._per_tenant = per_tenant

    async def claim(self) -> Job | None:
        """Lease a job that may run now, or None.

        Of the tenants with such jobs the one goes first whose last turn is longest ago. One with
        as many jobs under way as it may have waits: `per_tenant`, or its own quota.
        """
        now = datetime.now(UTC)
        if not await self._database.fetch(_ANY_READY, {"due": now}):
            return None
        for tenant in await self._database.fetch(next_tenants(), {"due": now}):
            share: int = tenant.quotas.get("concurrent_documents") or self._per_tenant
            # A look costs readers nothing; a lease takes the write lock.
            asked = {"of_tenant": tenant.id, "due": now, "share": share}
            if await self._database.fetch(next_of(), asked):
                job = await self._lease(tenant.id, share)
                if job is not None:
                    return job
        return None

    async def _lease(self, tenant_id: TenantId, share: int) -> Job | None:
        now = datetime.now(UTC)
        asked = {
            "of_tenant": tenant_id,
            "due": now,
            "share": share,
            "owner": self._owner,
            "until": now + self._lease_time,
        }
        async with self._database.write(brief=True) as connection:
            # The row's lock lets workers pass one by one, so that none exceeds the share, and a
            # hold is either seen here or sees this lease.
            await connection.execute(
                update(tenants).where(tenants.c.id == tenant_id).values(turn_at=now)
            )
            row = (await connection.execute(_lease(self._database.is_sqlite), asked)).first()
        return None if row is None else _job(row)

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
        async with self._database.write(brief=True) as connection:
            await self.renew(connection, job)

    async def renew(self, connection: Transaction, job: Job) -> None:
        """Keep the job for another lease, within the caller's transaction.

        Raises:
            LeaseLost: the transaction must be rolled back.
        """
        later = datetime.now(UTC) + self._lease_time
        statement = update(jobs).where(self._same(job)).values(lease_until=later)
        if (await connection.execute(statement)).rowcount == 0:
            raise LeaseLost

    async def finish(self, connection: Transaction, job: Job) -> None:
        """End the job within the caller's transaction, which holds its results.

        Raises:
            LeaseLost: the transaction must be rolled back.
        """
        if (await connection.execute(delete(jobs).where(self._same(job)))).rowcount == 0:
            raise LeaseLost

    async def bury(self, connection: Transaction, job: Job, reason: str) -> None:
        """End the job within the caller's transaction: it was given up, for *reason*.

        Raises:
            LeaseLost: the transaction must be rolled back.
        """
        await self.finish(connection, job)
        await connection.execute(
            insert(dead_jobs).values(
                id=job.id,
                kind=job.kind,
                tenant_id=job.tenant_id,
                document_id=job.document_id,
                version=job.version,
                attempts=job.attempts,
                reason=reason,
                created_at=job.created_at,
                died_at=datetime.now(UTC),
            )
        )

    async def retry(self, job: Job, *, after_seconds: float) -> None:
        """Give the job back, to be run again later."""
        later = datetime.now(UTC) + timedelta(seconds=after_seconds)
        statement = (
            update(jobs)
            .where(self._mine(job))
            .values(run_after=later, lease_until=None, lease_owner=None)
        )
        async with self._database.write(brief=True) as connection:
            await connection.execute(statement)

    async def release(self, job: Job) -> None:
        """Give the job back untouched: the worker is stopping."""
        statement = (
            update(jobs)
            .where(self._mine(job))
            .values(lease_until=None, lease_owner=None, attempts=jobs.c.attempts - 1)
        )
        async with self._database.write(brief=True) as connection:
            await connection.execute(statement)

    async def let_fall(self, job: Job) -> None:
        """Free what became of a job that was lost, where it is still in this worker's hands.

        A job that was cancelled is another by now, which no one may touch before this one stops.
        """
        statement = update(jobs).where(self._mine(job)).values(lease_until=None, lease_owner=None)
        async with self._database.write(brief=True) as connection:
            await connection.execute(statement)

    def _mine(self, job: Job):
        return and_(jobs.c.id == job.id, jobs.c.lease_owner == self._owner)

    def _same(self, job: Job):
        # One that was cancelled is of another kind.
        return and_(self._mine(job), jobs.c.kind == job.kind)


@cache
def _lease(is_sqlite: bool) -> ReturningUpdate[*tuple[Any, ...]]:
    """Takes the tenant's next job: parameters as of `next_of`, and `owner` and `until`."""
    candidate = next_of()
    if not is_sqlite:
        candidate = candidate.with_for_update(skip_locked=True)
    return (
        update(jobs)
        .where(jobs.c.id == candidate.scalar_subquery())
        .values(
            lease_owner=bindparam("owner"),
            lease_until=bindparam("until"),
            attempts=jobs.c.attempts + 1,
        )
        .returning(jobs)
    )


def _job(row: Row[*tuple[Any, ...]]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        tenant_id=row.tenant_id,
        document_id=row.document_id,
        version=row.version,
        attempts=row.attempts,
        created_at=row.created_at,
        traceparent=row.traceparent,
    )
