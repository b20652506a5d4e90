"""What is erased is gone from every place, and a sweep says so; what is left, it finds."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import func, select
from tests.isolation.backends import Backend
from tests.isolation.canary import question_about, text_about
from tests.isolation.stack import Api, Tenant, new_tenant, opened

from carrel.database.tables import chunks, metadata, versions
from carrel.domain.ids import TenantId
from carrel.erasure.orphans import remove_orphans
from carrel.erasure.places import Files, Points
from carrel.erasure.reports import Erasure
from carrel.erasure.rows import KEPT
from carrel.ingestion.originals.folder import FolderOriginals
from carrel.resources.stores import open_originals

DOCUMENTS = ("policy", "terms", "rates")


async def with_documents(api: Api) -> Tenant:
    tenant = await new_tenant(api)
    for name in DOCUMENTS:
        for text in ("refunds", "fees"):  # two versions of each
            reply = await tenant.upload(name, text_about(text, tenant.canary))
            assert reply.json["status"] == "ready"
        await tenant.ask(question_about("fees"))
    return tenant


async def erase(api: Api, tenant: Tenant, *, wait: float = 20) -> Erasure:
    return await api.services.erase_tenant(tenant.id, wait_seconds=wait)


async def rows_of(api: Api, tenant_id: TenantId) -> dict[str, int]:
    found: dict[str, int] = {}
    for table in metadata.sorted_tables:
        if "tenant_id" in table.c and table.name not in KEPT:
            query = select(func.count()).select_from(table).where(table.c.tenant_id == tenant_id)
            found[table.name] = (await api.services.database.fetch(query))[0][0]
    return {name: count for name, count in found.items() if count}


async def test_of_an_erased_tenant_nothing_is_left_anywhere_and_the_report_says_so(api: Api):
    tenant, other = await with_documents(api), await with_documents(api)
    files = api.services.settings.data_dir / "originals"
    stored = api.services.vectors.tenant(tenant.id)
    assert await stored.inventory()
    erasure = await erase(api, tenant)
    assert erasure.status == "done"
    assert erasure.found["vectors"] >= len(DOCUMENTS)
    assert erasure.found["originals"] >= len(DOCUMENTS)
    assert erasure.found["rows"] > 10
    assert set(erasure.left.values()) == {0}
    assert set(erasure.left) == {"vectors", "originals", "rows"}
    assert await stored.inventory() == []
    assert await rows_of(api, tenant.id) == {}
    assert not (files / tenant.id).exists()
    assert (await tenant.search("refunds")).status == 401
    hits = (await other.search(question_about("fees"))).json["hits"]
    assert {hit["document_id"] for hit in hits} == set(DOCUMENTS)
    [report] = await api.services.erasures.list(tenant_id=tenant.id, limit=10, after=None)
    assert report == erasure


async def test_a_tenant_that_is_being_erased_is_gone_for_everyone_at_once(
    backend: Backend, tmp_path: Path
):
    async with opened(tmp_path / "data", backend, working=False) as api:
        tenant = await new_tenant(api)
        await tenant.upload("policy", text_about("refunds", tenant.canary), wait=0)
        await api.do_one_job()
        # A caller that another replica remembers: its key is still good there for a moment.
        caller = await api.services.authenticator.authenticate(tenant.key)
        erasure = await erase(api, tenant, wait=0)
        assert erasure.status == "running"
        assert caller.tenant_id is not None
        found = await api.services.searches.search(
            caller.tenant_id, question_about("refunds"), top_k=5
        )
        assert found.passages == ()
        with pytest.raises(Exception, match="no tenant"):
            await api.services.tenants.get(tenant.id)
        with pytest.raises(Exception, match="no tenant"):
            await erase(api, tenant, wait=0)
        assert await api.do_one_job() == "erase"
        assert (await api.services.erasures.get(erasure.id)).status == "done"


async def test_jobs_of_an_erased_tenant_do_not_bring_anything_back(
    backend: Backend, tmp_path: Path
):
    async with opened(tmp_path / "data", backend, working=False) as api:
        tenant = await new_tenant(api)
        for name in DOCUMENTS:
            await tenant.upload(name, text_about("refunds", tenant.canary), wait=0)
        assert await api.do_one_job() == "ingest"
        await erase(api, tenant, wait=0)
        assert await api.do_one_job() == "erase"  # not those that came before it
        assert await api.do_one_job() is None
        assert await api.services.vectors.tenant(tenant.id).inventory() == []
        assert await rows_of(api, tenant.id) == {}


@pytest.mark.parametrize("place", ["vectors", "originals"])
async def test_a_sweep_finds_what_an_erasure_leaves_and_the_next_try_removes_it(
    backend: Backend, tmp_path: Path, place: str
):
    async with opened(tmp_path / "data", backend, working=False) as api:
        tenant = await new_tenant(api)
        await tenant.upload("policy", text_about("refunds", tenant.canary), wait=0)
        await api.do_one_job()
        erasure = await erase(api, tenant, wait=0)
        with patch.object({"vectors": Points, "originals": Files}[place], "clear", _nothing):
            assert await api.do_one_job() == "erase"
        report = await api.services.erasures.get(erasure.id)
        assert report.status == "leftovers"
        assert report.left[place] >= 1
        assert [name for name, count in report.left.items() if count] == [place]
        await api.until_due()
        assert await api.do_one_job() == "erase"
        report = await api.services.erasures.get(erasure.id)
        assert (report.status, set(report.left.values())) == ("done", {0})


async def test_rows_that_an_erasure_leaves_are_found_and_the_next_try_removes_them(
    backend: Backend, tmp_path: Path
):
    async with opened(tmp_path / "data", backend, working=False) as api:
        tenant = await new_tenant(api)
        erasure = await erase(api, tenant, wait=0)
        with patch("carrel.erasure.tenant.remove_rows", _nothing):
            assert await api.do_one_job() == "erase"
        assert (await api.services.erasures.get(erasure.id)).status != "done"
        assert await rows_of(api, tenant.id)
        await api.until_due()
        assert await api.do_one_job() == "erase"
        assert (await api.services.erasures.get(erasure.id)).status == "done"
        assert await rows_of(api, tenant.id) == {}


async def test_each_erasure_has_a_report_of_its_own(api: Api):
    tenants = [await new_tenant(api) for _ in range(3)]
    for number, tenant in enumerate(tenants):
        for name in DOCUMENTS[:number]:
            await tenant.upload(name, text_about("refunds", tenant.canary))
    erasures = [await erase(api, tenant) for tenant in tenants]
    store = api.services.erasures
    for number, (tenant, erasure) in enumerate(zip(tenants, erasures, strict=True)):
        assert (erasure.tenant_id, erasure.found["originals"]) == (tenant.id, number)
        assert await store.get(erasure.id) == erasure
        assert await store.list(tenant_id=tenant.id, limit=10, after=None) == [erasure]


async def test_points_planted_after_an_erasure_began_are_found(backend: Backend, tmp_path: Path):
    """A worker that lost its lease, and knows nothing of it, may still write."""
    async with opened(tmp_path / "data", backend, working=False) as api:
        tenant = await new_tenant(api)
        await tenant.upload("policy", text_about("refunds", tenant.canary), wait=0)
        await api.do_one_job()
        vectors = api.services.vectors.tenant(tenant.id)
        planted = await vectors.read((await vectors.inventory())[0].document_id, 1, range(1))
        erasure = await erase(api, tenant, wait=0)
        clear = Points.clear

        async def clear_and_plant(self: Points, subject: Any) -> None:
            await clear(self, subject)
            await vectors.stage(planted)

        with patch.object(Points, "clear", clear_and_plant):
            await api.do_one_job()
        report = await api.services.erasures.get(erasure.id)
        assert (report.status, report.left["vectors"]) == ("leftovers", 1)


async def test_a_deleted_document_is_swept_too(backend: Backend, tmp_path: Path):
    async with opened(tmp_path / "data", backend, working=False) as api:
        tenant = await new_tenant(api)
        for name in DOCUMENTS[:2]:
            await tenant.upload(name, text_about("refunds", tenant.canary), wait=0)
            await api.do_one_job()
        await tenant.call("DELETE", "/v1/documents/policy")
        with patch.object(FolderOriginals, "remove", _nothing):
            assert await api.do_one_job() == "remove"
        [report] = await api.services.erasures.list(tenant_id=tenant.id, limit=10, after=None)
        assert (report.document_id, report.status) == ("policy", "leftovers")
        assert report.left == {"vectors": 0, "originals": 1}
        await api.until_due()
        assert await api.do_one_job() == "remove"
        [report] = await api.services.erasures.list(tenant_id=tenant.id, limit=10, after=None)
        assert (report.status, set(report.left.values())) == ("done", {0})
        assert report.found == {"chunks": 1, "originals": 1}
        inventory = await api.services.vectors.tenant(tenant.id).inventory()
        assert [each.document_id for each in inventory] == ["terms"]
        assert len(await open_originals(api.services.settings).names(tenant.id)) == 1
        for table in (versions, chunks):
            query = select(table.c.document_id).where(table.c.tenant_id == tenant.id)
            assert {row[0] for row in await api.services.database.fetch(query)} == {"terms"}


async def test_files_of_uploads_that_died_are_removed_and_no_others(api: Api):
    tenant, other = await new_tenant(api), await new_tenant(api)
    for name in DOCUMENTS:  # one version of each: nothing is tidied meanwhile
        for each in (tenant, other):
            await each.upload(name, text_about("refunds", each.canary))
    originals = open_originals(api.services.settings)
    named = await originals.names(tenant.id)
    assert len(named) == len(DOCUMENTS)
    [theirs, *_] = await originals.names(other.id)
    folder = api.services.settings.data_dir / "originals" / tenant.id
    for name in ("org_lost", "org_half.partial", theirs):
        (folder / name).write_bytes(b"left by a crash")
    assert await remove_orphans(api.services.database, originals) == 0  # they are young
    assert await remove_orphans(api.services.database, originals, older_than_seconds=-1) == 3
    assert await originals.names(tenant.id) == named
    assert theirs in await originals.names(other.id)


async def _nothing(*_: Any) -> None: ...
