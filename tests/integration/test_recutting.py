from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select, update

from carrel.database.engine import Database
from carrel.database.tables import documents, jobs, tenants, versions
from carrel.domain.ids import TenantId
from carrel.ingestion.quotas import Quotas
from carrel.ingestion.recutting import Recutting
from carrel.jobs.queue import PRIORITIES
from carrel.tenancy.store import TenantStore

PRESENT = "1:200:40"


@pytest.fixture
def recutting(database: Database) -> Recutting:
    return Recutting(database, Quotas(database, queued_documents=100), PRESENT)


async def put(
    database: Database,
    tenant_id: TenantId,
    name: str,
    chunking: str | None,
    *statuses: str,
    live: int = 1,
) -> None:
    """A document with a version of each status; what is ready was cut as *chunking* says."""
    now = datetime.now(UTC)
    async with database.write() as connection:
        await connection.execute(
            insert(documents).values(
                tenant_id=tenant_id,
                id=name,
                live_version=live,
                newest_version=len(statuses),
                deleted_through=0,
                created_at=now,
            )
        )
        for number, status in enumerate(statuses, start=1):
            await connection.execute(
                insert(versions).values(
                    tenant_id=tenant_id,
                    document_id=name,
                    version=number,
                    original=f"file-{name}",
                    content_hash="x",
                    title="T",
                    media_type="text/plain",
                    bytes=3,
                    metadata={"a": 1},
                    groups=["legal"],
                    status=status,
                    progress=1.0,
                    chunks=4,
                    chunking=chunking,
                    created_at=now,
                    updated_at=now,
                )
            )


async def test_what_was_cut_otherwise_or_nobody_knows_how_is_left(
    database: Database, tenant_id: TenantId, recutting: Recutting
):
    other = (await TenantStore(database).create("globex")).id
    await put(database, tenant_id, "present", PRESENT, "ready")
    await put(database, tenant_id, "before", None, "ready")
    await put(database, tenant_id, "otherwise", "1:100:40", "ready")
    await put(database, tenant_id, "on its way", "1:100:40", "ready", "processing")
    await put(database, tenant_id, "failed", "1:100:40", "ready", "failed")
    await put(database, tenant_id, "first", None, "queued", live=0)
    await put(database, other, "theirs", "1:100:40", "ready")
    found = await recutting.standing(tenant_id)
    assert (found.left, found.waiting, found.failed) == (2, 1, 1)
    assert await recutting.queue(tenant_id, 100) == 2
    found = await recutting.standing(tenant_id)
    assert (found.left, found.waiting, found.failed) == (0, 3, 1)
    assert await recutting.queue(tenant_id, 100) == 0, "each once"
    assert (await recutting.standing(other)).left == 1


async def test_the_new_version_is_of_the_same_file_and_waits_behind_uploads(
    database: Database, tenant_id: TenantId, recutting: Recutting
):
    await put(database, tenant_id, "d", "1:100:40", "ready")
    await recutting.queue(tenant_id, 100)
    _, again = await database.fetch(select(versions).order_by(versions.c.version))
    assert (again.version, again.status, again.original) == (2, "queued", "file-d")
    assert (again.metadata, again.groups, again.chunks) == ({"a": 1}, ["legal"], 0)
    assert again.chunking is None
    [job] = await database.fetch(select(jobs))
    assert (job.kind, job.version, job.priority) == ("ingest", 2, PRIORITIES["low"])
    [document] = await database.fetch(select(documents))
    assert (document.live_version, document.newest_version) == (1, 2)


async def test_a_document_of_the_same_name_is_another_tenants_own(
    database: Database, tenant_id: TenantId, recutting: Recutting
):
    other = (await TenantStore(database).create("globex")).id
    await put(database, tenant_id, "mine is present", PRESENT, "ready")
    await put(database, other, "mine is present", "1:100:40", "ready")
    await put(database, tenant_id, "mine failed", "1:100:40", "ready", "failed")
    await put(database, other, "mine failed", "1:100:40", "ready", "ready", live=2)
    await put(database, tenant_id, "both", "1:100:40", "ready")
    await put(database, other, "both", "1:100:40", "ready")
    found = await recutting.standing(tenant_id)
    assert (found.left, found.waiting, found.failed) == (1, 0, 1)
    assert await recutting.queue(tenant_id, 100) == 1
    found = await recutting.standing(other)
    assert (found.left, found.waiting, found.failed) == (3, 0, 0)
    rows = await database.fetch(select(documents).where(documents.c.tenant_id == other))
    assert {row.id: row.newest_version for row in rows} == {
        "mine is present": 1,
        "mine failed": 2,
        "both": 1,
    }


@pytest.mark.parametrize(("places", "queued"), [(10, 5), (1, 1)])
async def test_half_of_the_queue_is_left_to_uploads(
    database: Database, tenant_id: TenantId, recutting: Recutting, places: int, queued: int
):
    for number in range(9):
        await put(database, tenant_id, f"d{number}", None, "ready")
    async with database.write() as connection:
        await connection.execute(update(tenants).values(quotas={"queued_documents": places}))
    assert await recutting.queue(tenant_id, 100) == queued
