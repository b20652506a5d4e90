import asyncio
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from sqlalchemy import select, update

from carrel.database.engine import Database
from carrel.database.tables import jobs
from carrel.domain.ids import DocumentId, TenantId
from carrel.jobs.queue import Job, JobQueue, LeaseLost, add_job
from carrel.tenancy.store import TenantStore


def queue(database: Database, owner: str = "w1", per_tenant: int = 100) -> JobQueue:
    return JobQueue(database, owner=owner, lease_seconds=30, per_tenant=per_tenant)


async def put(database: Database, tenant_id: TenantId, document: str, version: int = 1) -> None:
    async with database.write() as connection:
        await add_job(connection, "ingest", tenant_id, DocumentId(document), version)


async def expire_leases(database: Database) -> None:
    async with database.write() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await connection.execute(update(jobs).values(lease_until=past))


async def finish(database: Database, through: JobQueue, job: Job) -> None:
    async with database.write() as connection:
        await through.finish(connection, job)


async def test_each_job_goes_to_exactly_one_worker(database: Database, tenant_id: TenantId):
    for i in range(40):
        await put(database, tenant_id, f"d{i}")
    workers = [queue(database, f"w{i}") for i in range(8)]

    async def take_all(worker: JobQueue) -> list[str]:
        taken: list[str] = []
        empty = 0
        while empty < 5:
            job = await worker.claim()
            if job is None:
                empty += 1
                await asyncio.sleep(0.01)
            else:
                taken.append(job.document_id)
        return taken

    taken = await asyncio.gather(*(take_all(worker) for worker in workers))
    assert sorted(chain.from_iterable(taken)) == sorted(f"d{i}" for i in range(40))


async def test_a_job_is_free_again_when_its_lease_runs_out(database: Database, tenant_id: TenantId):
    await put(database, tenant_id, "d")
    first = await queue(database, "dead").claim()
    assert first is not None
    assert await queue(database, "w2").claim() is None
    await expire_leases(database)
    second = await queue(database, "w2").claim()
    assert second is not None
    assert (second.id, second.attempts) == (first.id, 2)


async def test_work_under_a_lost_lease_cannot_be_committed(database: Database, tenant_id: TenantId):
    await put(database, tenant_id, "d")
    slow, fast = queue(database, "slow"), queue(database, "fast")
    stale = await slow.claim()
    assert stale is not None
    await expire_leases(database)
    taken = await fast.claim()
    assert taken is not None
    with pytest.raises(LeaseLost):
        await slow.keep(stale)
    with pytest.raises(LeaseLost):
        await finish(database, slow, stale)
    await finish(database, fast, taken)
    async with database.read() as connection:
        assert (await connection.execute(select(jobs))).all() == []


async def test_jobs_of_one_document_run_one_at_a_time_and_in_order(
    database: Database, tenant_id: TenantId
):
    for version in (1, 2, 3):
        await put(database, tenant_id, "d", version)
        await asyncio.sleep(0.002)  # ids are ordered by the millisecond
    worker = queue(database)
    seen: list[int] = []
    for _ in range(3):
        job = await worker.claim()
        assert job is not None
        assert await worker.claim() is None
        seen.append(job.version)
        await finish(database, worker, job)
    assert seen == [1, 2, 3]


async def test_a_tenant_with_many_jobs_does_not_hold_up_another(
    database: Database, tenant_id: TenantId
):
    other = (await TenantStore(database).create("globex")).id
    for i in range(10):
        await put(database, tenant_id, f"d{i}")
    await put(database, other, "theirs")
    worker = queue(database, per_tenant=2)
    taken = [await worker.claim() for _ in range(4)]
    assert [job.tenant_id for job in taken if job] == [tenant_id, tenant_id, other]


async def test_a_retried_job_waits(database: Database, tenant_id: TenantId):
    await put(database, tenant_id, "d")
    worker = queue(database)
    job = await worker.claim()
    assert job is not None
    await worker.retry(job, after_seconds=60)
    assert await worker.claim() is None


async def test_a_released_job_is_as_if_it_had_not_been_taken(
    database: Database, tenant_id: TenantId
):
    await put(database, tenant_id, "d")
    job = await queue(database, "stopping").claim()
    assert job is not None
    await queue(database, "stopping").release(job)
    again = await queue(database, "w2").claim()
    assert again is not None
    assert again.attempts == 1
