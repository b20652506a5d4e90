"""A change of how documents are cut: `carrel reindex` brings it to those that are there."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.acceptance.server import ADMIN_KEY, Client, new_tenant, running
from tests.acceptance.test_crashes import WORKER, wait_until
from tests.acceptance.test_reindex import command, restart
from tests.acceptance.test_tiers import DOCUMENTS, Tenant, loaded, made

COARSE = {"CARREL_INGESTION__LEASE_SECONDS": "2", "CARREL_INGESTION__CHUNK_TOKENS": "200"}
FINE = {**COARSE, "CARREL_INGESTION__CHUNK_TOKENS": "100"}


async def documents(client: Client) -> dict[str, Any]:
    status, page = await client.get("/v1/documents?limit=1000")
    assert status == 200, page
    return {each["id"]: each for each in page["data"]}


async def standing(tenant: Tenant) -> tuple[int, int, int]:
    _, said = await tenant.admin.get(f"/admin/tenants/{tenant.id}/chunking")
    return said["left"], said["waiting"], said["failed"]


@pytest.mark.slow
async def test_documents_are_cut_again_while_they_are_asked_and_the_worker_is_killed(
    tmp_path: Path,
):
    with running(tmp_path, COARSE) as server:
        async with aiohttp.ClientSession() as session:
            tenant = await made(session, server)
            _, key = await tenant.admin.post(f"/admin/tenants/{tenant.id}/keys", {})
            outsider = tenant.admin.with_key(key["secret"])
            other = await new_tenant(tenant.admin, "globex")
            await other.upload("c0.md", b"# Fees\n\nThe fee is 7 euros.", document_id="c0")
            before, answers = await documents(tenant.client), await tenant.answers()
            visible = set(await documents(outsider))
            assert visible < set(before), "some are of a group"
            await restart(server, FINE)
            assert await standing(tenant) == (DOCUMENTS, 0, 0)

            async with loaded(tenant, None) as load:
                cutting = asyncio.create_task(command(server))

                async def begun() -> bool:
                    return 0 < (await standing(tenant))[0] + (await standing(tenant))[1] < DOCUMENTS

                await wait_until(begun, 30)
                server.kill_child(WORKER)
                said = await cutting
            assert f"Cut {DOCUMENTS + 1} documents of 2 tenants again." in said
            assert load.faults == []
            assert load.searches > 50, "too few searches to prove anything"
            assert await standing(tenant) == (0, 0, 0)
            after = await documents(tenant.client)
            assert {each["version"] for each in after.values()} == {2}
            assert all(after[name]["chunks"] > before[name]["chunks"] for name in before)
            assert {name: each["title"] for name, each in after.items()} == {
                name: each["title"] for name, each in before.items()
            }
            assert set(await documents(outsider)) == visible
            assert "nothing to do" in await command(server)

            # The files are still there: cut as before, the answers are those of before.
            await restart(server, COARSE)
            await command(server)
            again = await documents(tenant.client)
            assert {name: (each["chunks"], each["version"]) for name, each in again.items()} == {
                name: (each["chunks"], 3) for name, each in before.items()
            }

            async def is_as_before() -> bool:
                # Words are weighed with the versions before until those are tidied away. And the
                # last digit hangs on the order in which the engine adds.
                now, then = scores(await tenant.answers()), scores(answers)
                return all(now[each] == pytest.approx(then[each], abs=1e-5) for each in then)

            await wait_until(is_as_before, 60)


async def test_a_document_that_cannot_be_read_again_is_served_as_before(tmp_path: Path):
    with running(tmp_path, COARSE) as server:
        async with aiohttp.ClientSession() as session:
            acme = await new_tenant(Client(session, server.url, ADMIN_KEY), "acme")
            await acme.upload("fees.md", b"# Fees\n\nThe fee is 7 euros.", document_id="fees")
            [original] = [
                each for each in (tmp_path / "data" / "originals").rglob("*") if each.is_file()
            ]
            original.unlink()
            await restart(server, FINE)
            said = await command(server, status=1)
            assert "(acme): 1 documents" in said
            _, found = await acme.post("/v1/search", {"query": "What is the fee?"})
            assert [hit["document_id"] for hit in found["hits"]] == ["fees"]


def scores(answers: dict[str, list[tuple[str, float]]]) -> dict[str, list[float]]:
    """What was found, but for its ids: each version's chunks have their own."""
    return {question: sorted(score for _, score in hits) for question, hits in answers.items()}
