"""What is deleted stays deleted, in whatever order jobs and requests come."""

from pathlib import Path

from tests.isolation.backends import Backend
from tests.isolation.canary import question_about, text_about
from tests.isolation.stack import new_tenant, opened

QUESTION = question_about("refunds")


async def test_a_document_that_is_deleted_before_it_is_indexed_is_never_found(
    backend: Backend, tmp_path: Path
) -> None:
    async with opened(tmp_path / "data", backend, working=False) as api:
        tenant = await new_tenant(api)
        await tenant.upload("policy", text_about("refunds", "recalled"), wait=0)
        assert (await tenant.call("DELETE", "/v1/documents/policy")).status == 204
        while await api.do_one_job():
            assert (await tenant.search(QUESTION)).json["hits"] == []


async def test_a_text_that_was_deleted_does_not_come_back_when_its_id_is_used_again(
    backend: Backend, tmp_path: Path
) -> None:
    async with opened(tmp_path / "data", backend, working=False) as api:
        tenant = await new_tenant(api)
        await tenant.upload("policy", text_about("refunds", "recalled"), wait=0)
        assert (await tenant.call("DELETE", "/v1/documents/policy")).status == 204
        await tenant.upload("policy", text_about("refunds", "published"), wait=0)
        while await api.do_one_job():
            assert "recalled" not in (await tenant.search(QUESTION)).text
        assert "published" in (await tenant.search(QUESTION)).text


async def test_an_upload_that_was_acknowledged_is_not_taken_for_what_was_deleted_before(
    backend: Backend, tmp_path: Path
) -> None:
    async with opened(tmp_path / "data", backend, working=False) as api:
        tenant = await new_tenant(api)
        for number in range(2):
            await tenant.upload("policy", text_about("refunds", f"old{number}"), wait=0)
            assert await api.do_one_job() == "ingest"
        assert (await tenant.call("DELETE", "/v1/documents/policy")).status == 204
        assert await api.do_one_job() == "tidy"
        assert (await tenant.upload("policy", text_about("refunds", "new"), wait=0)).status == 202
        while await api.do_one_job():
            pass
        reply = await tenant.call("GET", "/v1/documents/policy")
        assert (reply.status, reply.json.get("status")) == (200, "ready")
        assert "new" in (await tenant.search(QUESTION)).text
