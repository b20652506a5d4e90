"""What metrics say of jobs: those that wait, of all servers, and how a worker's jobs ended."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import update

from carrel.database.engine import Database
from carrel.database.tables import jobs
from carrel.domain.errors import Unavailable
from carrel.domain.ids import DocumentId, TenantId
from carrel.jobs.queue import Job, JobQueue, LeaseLost, add_job
from carrel.jobs.waiting import look, watch_jobs
from carrel.jobs.worker import HopelessJob, Step, Worker


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def queue(database: Database) -> JobQueue:
    return JobQueue(database, owner="w1", lease_seconds=30, per_tenant=100)


async def put(database: Database, tenant_id: TenantId, document: str) -> None:
    async with database.write() as connection:
        await add_job(connection, "ingest", tenant_id, DocumentId(document), 1)


async def test_jobs_that_wait_are_counted_and_how_late_the_oldest_is(
    database: Database, tenant_id: TenantId
) -> None:
    for document in ("a", "b", "c"):
        await put(database, tenant_id, document)
    assert await queue(database).claim()  # one is being carried out, and waits no more
    async with database.write() as connection:
        minute = datetime.now(UTC) - timedelta(seconds=60)
        free = jobs.c.lease_until.is_(None)
        await connection.execute(update(jobs).where(free).values(run_after=minute))
    await look(database)
    assert sample("carrel_jobs_waiting", kind="ingest") == 2
    assert 60 <= sample("carrel_jobs_late_seconds", kind="ingest") < 90
    assert sample("carrel_jobs_waiting", kind="move") == 0


async def test_a_job_that_is_to_be_tried_later_is_not_late(
    database: Database, tenant_id: TenantId
) -> None:
    await put(database, tenant_id, "a")
    async with database.write() as connection:
        later = datetime.now(UTC) + timedelta(seconds=60)
        await connection.execute(update(jobs).values(run_after=later))
    await look(database)
    assert sample("carrel_jobs_waiting", kind="ingest") == 1
    assert sample("carrel_jobs_late_seconds", kind="ingest") == 0


async def test_a_database_that_is_down_ends_no_watch() -> None:
    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    watching = asyncio.create_task(watch_jobs(away, every_seconds=0.01))
    await asyncio.sleep(0.1)
    assert not watching.done()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await away.close()


def raising(error: Exception) -> Callable[[Job], Awaitable[None]]:
    async def run(_: Job) -> None:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "done"),
        (Unavailable("away"), "again"),
        (HopelessJob("no"), "dead"),
        (RuntimeError("odd"), "dead"),  # the last of one attempt
        (LeaseLost(), "lost"),
    ],
)
async def test_a_job_counts_as_what_became_of_it(
    database: Database, tenant_id: TenantId, error: Exception | None, outcome: str
) -> None:
    await put(database, tenant_id, "a")
    ours = queue(database)
    ended = asyncio.Event()

    async def done(job: Job) -> None:
        async with database.write() as connection:
            await ours.finish(connection, job)

    async def give_up(job: Job, reason: str) -> None:
        async with database.write() as connection:
            await ours.bury(connection, job, reason)

    run = raising(error) if error else done
    worker = Worker(
        ours,
        {"ingest": Step(run, give_up)},
        concurrency=1,
        max_attempts=1,
        lease_seconds=30,
    )

    def count() -> float:
        return sample("carrel_jobs_total", kind="ingest", outcome=outcome)

    before, timed = count(), sample("carrel_job_seconds_count", kind="ingest")
    working = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(10):
            while count() == before:
                await asyncio.wait([asyncio.create_task(ended.wait())], timeout=0.02)
    finally:
        ended.set()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert sample("carrel_job_seconds_count", kind="ingest") > timed


async def test_dead_jobs_are_counted(database: Database, tenant_id: TenantId) -> None:
    await look(database)
    before = sample("carrel_jobs_dead")
    await put(database, tenant_id, "a")
    job = await queue(database).claim()
    assert job
    async with database.write() as connection:
        await queue(database).bury(connection, job, "no")
    await look(database)
    assert sample("carrel_jobs_dead") == before + 1
