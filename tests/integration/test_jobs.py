import asyncio
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from sqlalchemy import select, update

from carrel.database.engine import Database
from carrel.database.tables import jobs
from carrel.domain.errors import Conflict, NotFound
from carrel.domain.ids import DocumentId, JobId, TenantId
from carrel.jobs.dead import DeadJobs
from carrel.jobs.queue import Job, JobQueue, LeaseLost, Priority, add_job
from carrel.tenancy.store import TenantStore


def queue(database: Database, owner: str = "w1", per_tenant: int = 100) -> JobQueue:
    return JobQueue(database, owner=owner, lease_seconds=30, per_tenant=per_tenant)


async def put(
    database: Database,
    tenant_id: TenantId,
    document: str,
    version: int = 1,
    priority: Priority = "normal",
) -> None:
    async with database.write() as connection:
        await add_job(
            connection, "ingest", tenant_id, DocumentId(document), version, priority=priority
        )


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
    assert [job.tenant_id for job in taken if job] == [tenant_id, other, tenant_id]


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


async def test_tenants_take_turns_whatever_the_length_of_their_queues(
    database: Database, tenant_id: TenantId
):
    others = [(await TenantStore(database).create(name)).id for name in ("globex", "initech")]
    for i in range(20):
        await put(database, tenant_id, f"d{i}")
    for other in others:
        for i in range(2):
            await put(database, other, f"d{i}")
    worker = queue(database)
    taken = [job.tenant_id for job in [await worker.claim() for _ in range(8)] if job]
    assert taken[:3] == [tenant_id, *others]
    assert taken[3:6] == [tenant_id, *others]
    assert taken[6:] == [tenant_id] * 2


async def test_workers_that_claim_at_once_do_not_exceed_a_tenants_share(
    database: Database, tenant_id: TenantId
):
    for i in range(20):
        await put(database, tenant_id, f"d{i}")
    workers = [queue(database, f"w{i}", per_tenant=3) for i in range(8)]
    for _ in range(3):
        await asyncio.gather(*(worker.claim() for worker in workers))
    under_way = await database.fetch(select(jobs.c.id).where(jobs.c.lease_until.is_not(None)))
    assert len(under_way) == 3


async def test_a_quota_of_the_tenants_own_is_its_share(database: Database, tenant_id: TenantId):
    await TenantStore(database).change(tenant_id, quotas={"concurrent_documents": 1})
    for i in range(3):
        await put(database, tenant_id, f"d{i}")
    worker = queue(database)
    assert [job is not None for job in [await worker.claim() for _ in range(2)]] == [True, False]


async def test_what_is_urgent_goes_first_and_a_removal_before_all(
    database: Database, tenant_id: TenantId
):
    await put(database, tenant_id, "bulk", priority="low")
    await put(database, tenant_id, "plain")
    await put(database, tenant_id, "urgent", priority="high")
    async with database.write() as connection:
        await add_job(connection, "remove", tenant_id, DocumentId("gone"), 1)
    worker = queue(database)
    taken = [await worker.claim() for _ in range(4)]
    assert [job.document_id for job in taken if job] == ["gone", "urgent", "plain", "bulk"]


async def test_a_job_given_up_is_kept_with_its_reason_and_holds_up_nothing(
    database: Database, tenant_id: TenantId
):
    await put(database, tenant_id, "d")
    worker, dead = queue(database), DeadJobs(database)
    job = await worker.claim()
    assert job is not None
    async with database.write() as connection:
        await worker.bury(connection, job, "the PDF document is damaged")
    await put(database, tenant_id, "d", 2)
    after = await worker.claim()
    assert after is not None
    assert after.version == 2
    [found] = await dead.list(tenant_id=tenant_id, limit=10, after=None)
    assert (found.id, found.document_id, found.reason, found.attempts) == (
        job.id,
        "d",
        "the PDF document is damaged",
        1,
    )
    with pytest.raises(NotFound):
        await dead.revive(JobId("job_none"))
    with pytest.raises(Conflict):  # no document of it is there
        await dead.revive(job.id)
    assert len(await dead.list(tenant_id=None, limit=10, after=None)) == 1


async def test_a_job_that_became_another_cannot_be_committed_but_can_be_let_go(
    database: Database, tenant_id: TenantId
):
    await put(database, tenant_id, "d")
    worker = queue(database)
    job = await worker.claim()
    assert job is not None
    async with database.write() as connection:
        await connection.execute(update(jobs).values(kind="discard"))
    with pytest.raises(LeaseLost):
        await finish(database, worker, job)
    with pytest.raises(LeaseLost):
        await worker.keep(job)
    assert await queue(database, "w2").claim() is None
    await worker.let_fall(job)
    following = await queue(database, "w2").claim()
    assert following is not None
    assert following.kind == "discard"
