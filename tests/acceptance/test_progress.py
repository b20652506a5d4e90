"""Documents on their way, over HTTP: followed, stopped, refused, given up and revived."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from bench.micro.processes import tree
from tests.acceptance.server import ADMIN_KEY, Client, Server, new_tenant, running


async def events(client: Client, document_id: str) -> list[tuple[str, dict]]:
    headers = {"authorization": f"Bearer {client.key}"}
    url = f"{client.url}/v1/documents/{document_id}/events"
    async with client.session.get(url, headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        text = await response.text()
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":")
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


async def test_a_document_is_followed_until_it_is_ready(acme: Client):
    text = "\n\n".join(f"## Part {i}\n\n" + "A clause on fees. " * 90 for i in range(60))
    await acme.upload("long/terms.md", text.encode(), wait=0, document_id="long/terms.md")
    seen = await events(acme, "long/terms.md")
    assert [name for name, _ in seen[:-1]] == ["progress"] * (len(seen) - 1)
    name, last = seen[-1]
    assert (name, last["status"], last["progress"]) == ("done", "ready", 1.0)
    progress = [document["progress"] for _, document in seen]
    assert progress == sorted(progress)


async def test_several_workers_take_documents_in(tmp_path: Path):
    with running(tmp_path, {"CARREL_INGESTION__PROCESSES": "3"}) as server:
        assert server.process is not None
        names = [each.name for each in tree(server.process.pid)]
        assert names.count("worker") == 3
        async with aiohttp.ClientSession() as session:
            acme = await new_tenant(Client(session, server.url, ADMIN_KEY), "acme")
            for number in range(9):
                text = f"The fee of contract {number} is {number + 7} euros.".encode()
                await acme.upload(f"{number}.md", text, wait=0, document_id=f"{number}.md")
            for number in range(9):
                _, document = await acme.get(f"/v1/documents/{number}.md?wait=30")
                assert (document["status"], document["version"]) == ("ready", 1)


async def test_following_what_is_not_there_is_404(acme: Client, globex: Client):
    await acme.upload("a.md", b"The fee is 7 euros.", document_id="a.md")
    for client, name in ((globex, "a.md"), (acme, "none")):
        status, _ = await client.get(f"/v1/documents/{name}/events")
        assert status == 404


async def test_nothing_under_way_cannot_be_cancelled(acme: Client):
    await acme.upload("a.md", b"The fee is 7 euros.", document_id="a.md")
    status, said = await acme.post("/v1/documents/a.md/cancel")
    assert (status, said["error"]["code"]) == (409, "conflict")


@pytest.mark.parametrize("ending", ["events", "cancel"])
async def test_no_document_is_called_like_an_address(acme: Client, ending: str):
    status, said = await acme.post("/v1/documents", {"text": "a", "document_id": f"x/{ending}"})
    assert (status, said["error"]["param"]) == (422, "document_id")


@pytest.fixture
async def without_worker(tmp_path: Path) -> AsyncIterator[tuple[Server, Client]]:
    """A server that accepts documents and leaves them in the queue."""
    with running(tmp_path, arguments=["--no-worker"]) as server:
        async with aiohttp.ClientSession() as session:
            yield server, Client(session, server.url, ADMIN_KEY)


async def test_quotas_and_the_queue_are_the_tenants_terms(
    without_worker: tuple[Server, Client],
):
    server, admin = without_worker
    acme = await new_tenant(admin, "acme")
    _, tenants = await admin.get("/admin/tenants")
    address = f"/admin/tenants/{tenants['data'][0]['id']}"
    limits = {"queued_documents": 2, "documents": 3, "requests_per_minute": 600}
    status, tenant = await admin.call("PATCH", address, json={"limits": limits})
    assert status == 200
    assert {name: tenant["limits"][name] for name in limits} == limits
    for name in ("a", "b"):
        status, _ = await acme.post("/v1/documents", {"text": name, "document_id": name})
        assert status == 202
    async with acme.session.post(
        f"{server.url}/v1/documents",
        json={"text": "c"},
        headers={"authorization": f"Bearer {acme.key}"},
    ) as response:
        assert response.status == 429
        assert int(response.headers["retry-after"]) > 0
        assert (await response.json())["error"]["code"] == "rate_limit_exceeded"

    status, document = await acme.post("/v1/documents/a/cancel")
    assert (status, document["status"], document["error"]) == (200, "failed", "cancelled")
    assert [name for name, _ in await events(acme, "a")] == ["done"]
    status, _ = await acme.post("/v1/documents", {"text": "c", "document_id": "c"})
    assert status == 202
    await admin.call("PATCH", address, json={"limits": {"queued_documents": None}})
    async with acme.session.post(
        f"{server.url}/v1/documents",
        json={"text": "d", "priority": "high"},
        headers={"authorization": f"Bearer {acme.key}"},
    ) as response:
        assert response.status == 429
        assert response.headers["x-should-retry"] == "false"
        assert (await response.json())["error"]["code"] == "insufficient_quota"


async def test_what_was_given_up_is_listed_with_its_reason_and_tried_again(
    admin: Client, acme: Client
):
    status, document = await acme.upload("a.pdf", b"%PDF-1.7 broken", document_id="given-up")
    assert (status, document["status"]) == (202, "failed")
    _, listed = await admin.get("/admin/dead-jobs")
    [dead] = [each for each in listed["data"] if each["document_id"] == "given-up"]
    assert dead["reason"] == document["error"]
    status, _ = await admin.post(f"/admin/dead-jobs/{dead['id']}/retry")
    assert status == 202
    _, document = await acme.get("/v1/documents/given-up?wait=30")
    assert (document["status"], document["error"]) == ("failed", dead["reason"])
    status, _ = await acme.get("/admin/dead-jobs")
    assert status == 403
