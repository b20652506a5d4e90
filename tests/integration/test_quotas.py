import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from carrel.database.engine import Database
from carrel.database.tables import documents, versions
from carrel.domain.document import Document
from carrel.domain.errors import CarrelError, Conflict, NotFound, QuotaExhausted, RateLimited
from carrel.domain.ids import DocumentId, TenantId
from carrel.ingestion.cancel import cancel
from carrel.ingestion.documents import DocumentStore
from carrel.ingestion.originals.folder import FolderOriginals
from carrel.ingestion.quotas import Quotas, check_chunks
from carrel.ingestion.upload import Upload, Uploads
from carrel.jobs.dead import DeadJobs, forget
from carrel.jobs.queue import JobQueue
from carrel.tenancy.store import TenantStore

Put = Any


@pytest.fixture
def uploads(database: Database, tmp_path: Path) -> Uploads:
    originals = FolderOriginals(tmp_path / "originals", max_bytes=1000)
    quotas = Quotas(database, queued_documents=5)
    return Uploads(database, originals, DocumentStore(database), quotas)


@pytest.fixture
async def other(database: Database) -> TenantId:
    return (await TenantStore(database).create("globex")).id


async def content(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


async def upload(
    uploads: Uploads, tenant_id: TenantId, name: str, text: str = "0123456789"
) -> Document:
    said = Upload(filename="a.txt", document_id=name)
    return await uploads.accept(tenant_id, said, content(text))


async def quota(database: Database, tenant_id: TenantId, **quotas: int | None) -> None:
    await TenantStore(database).change(tenant_id, quotas=quotas)


async def make_live(database: Database, tenant_id: TenantId, name: str, chunks: int) -> None:
    async with database.write() as connection:
        await connection.execute(
            update(documents)
            .where(documents.c.tenant_id == tenant_id, documents.c.id == name)
            .values(live_version=1)
        )
        await connection.execute(
            update(versions)
            .where(versions.c.tenant_id == tenant_id, versions.c.document_id == name)
            .values(status="ready", chunks=chunks)
        )


async def outcomes(*uploading: Any) -> list[str]:
    """`ok`, or the error's code, of uploads at the same time."""
    found = await asyncio.gather(*uploading, return_exceptions=True)
    return sorted(each.code if isinstance(each, CarrelError) else "ok" for each in found)


async def test_uploads_at_once_do_not_pass_the_quota_of_documents_together(
    database: Database, uploads: Uploads, tenant_id: TenantId, other: TenantId
):
    await quota(database, tenant_id, documents=3)
    await quota(database, other, documents=3)
    for name in ("a", "b"):  # another tenant's documents do not count
        await upload(uploads, other, name)
    found = await outcomes(*(upload(uploads, tenant_id, f"d{i}") for i in range(5)))
    assert found == ["insufficient_quota"] * 2 + ["ok"] * 3


async def test_bytes_count_once_for_each_document_and_come_back_with_a_deletion(
    database: Database, uploads: Uploads, tenant_id: TenantId, other: TenantId
):
    await quota(database, tenant_id, bytes=25)
    await upload(uploads, other, "a", "x" * 100)
    await upload(uploads, tenant_id, "a")
    await upload(uploads, tenant_id, "a", "another ten")  # 11, in place of 10
    await upload(uploads, tenant_id, "b")
    with pytest.raises(QuotaExhausted, match="25 bytes together: 4 are left"):
        await upload(uploads, tenant_id, "c")
    await DocumentStore(database).delete(tenant_id, DocumentId("b"))
    await upload(uploads, tenant_id, "c")


async def test_chunks_of_live_versions_count(
    database: Database, uploads: Uploads, tenant_id: TenantId, other: TenantId
):
    await quota(database, tenant_id, chunks=10)
    for owner, chunks in ((tenant_id, 7), (other, 100)):
        await upload(uploads, owner, "a")
        await make_live(database, owner, "a", chunks)
    async with database.write() as connection:
        await check_chunks(connection, tenant_id, DocumentId("b"), 3)
        await check_chunks(connection, tenant_id, DocumentId("a"), 10)  # in place of the seven
        with pytest.raises(QuotaExhausted, match="3 are left"):
            await check_chunks(connection, tenant_id, DocumentId("b"), 4)
        await check_chunks(connection, other, DocumentId("b"), 1_000_000)  # it has no quota


async def test_a_full_queue_asks_to_come_back_later_and_is_the_tenants_own(
    database: Database, uploads: Uploads, tenant_id: TenantId, other: TenantId
):
    found = await outcomes(*(upload(uploads, tenant_id, f"d{i}") for i in range(7)))
    assert found == ["ok"] * 5 + ["rate_limit_exceeded"] * 2
    with pytest.raises(RateLimited) as caught:
        await uploads.accept(tenant_id, Upload(document_id="d9"), _unread())
    assert caught.value.retry_after_seconds > 0
    await upload(uploads, other, "d1")
    await quota(database, tenant_id, queued_documents=6)
    await upload(uploads, tenant_id, "d9")


async def test_what_is_cancelled_is_never_searchable_and_discards_what_was_staged(
    database: Database, uploads: Uploads, tenant_id: TenantId, other: TenantId
):
    name = DocumentId("a")
    for owner in (tenant_id, other):
        await upload(uploads, owner, "a")
    queue = JobQueue(database, owner="w", lease_seconds=60)
    await cancel(database, tenant_id, name)
    store = DocumentStore(database)
    document = await store.get(tenant_id, name)
    assert (document.status, document.error) == ("failed", "cancelled")
    assert (await store.get(other, name)).status == "queued"
    jobs = [await queue.claim(), await queue.claim()]
    assert sorted((job.tenant_id, job.kind) for job in jobs if job) == sorted(
        [(tenant_id, "discard"), (other, "ingest")]
    )
    with pytest.raises(Conflict):
        await cancel(database, tenant_id, name)
    await upload(uploads, other, "b")
    with pytest.raises(NotFound):
        await cancel(database, tenant_id, DocumentId("b"))


async def test_a_dead_job_of_one_tenant_revives_that_document_alone(
    database: Database, uploads: Uploads, tenant_id: TenantId, other: TenantId
):
    queue, store, dead = (
        JobQueue(database, owner="w", lease_seconds=60),
        DocumentStore(database),
        DeadJobs(database),
    )
    for owner in (tenant_id, other):
        await upload(uploads, owner, "a")
    for _ in range(2):
        job = await queue.claim()
        assert job is not None
        async with database.write() as connection:
            await queue.bury(connection, job, "no memory")
            await connection.execute(update(versions).values(status="failed", error="no memory"))
    [found] = await dead.list(tenant_id=tenant_id, limit=5, after=None)
    await dead.revive(found.id)
    assert (await store.get(tenant_id, DocumentId("a"))).status == "queued"
    assert (await store.get(other, DocumentId("a"))).status == "failed"
    again = await queue.claim()
    assert again is not None
    assert (again.tenant_id, again.attempts) == (tenant_id, 1)
    # A newer version of theirs leaves nothing to revive.
    [theirs] = await dead.list(tenant_id=other, limit=5, after=None)
    await upload(uploads, other, "a", "newer")
    with pytest.raises(Conflict):
        await dead.revive(theirs.id)
    async with database.write() as connection:
        await forget(connection, tenant_id, DocumentId("a"), before=2)
    assert [each.id for each in await dead.list(tenant_id=None, limit=5, after=None)] == [theirs.id]
    async with database.write() as connection:
        await forget(connection, other, DocumentId("a"), before=1)
        await forget(connection, other, DocumentId("a"), before=2)
    assert await dead.list(tenant_id=None, limit=5, after=None) == []


async def _unread() -> AsyncIterator[bytes]:
    raise AssertionError("a refused upload is not read")
    yield b""
