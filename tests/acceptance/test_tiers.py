"""Tenants move between isolation tiers while they are used, and whatever dies meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.acceptance.server import ADMIN_KEY, Client, Server, running
from tests.acceptance.test_crashes import WORKER, text, wait_until

DOCUMENTS = 24
QUESTIONS = [f"clause {i}-3 of contract {i}" for i in range(0, DOCUMENTS, 3)]
ASKERS = 4


@dataclass
class Tenant:
    """A tenant with documents, and administrators' view of it."""

    admin: Client
    client: Client
    id: str

    async def move(self, isolation: str) -> str:
        status, move = await self.admin.post(
            f"/admin/tenants/{self.id}/moves", {"isolation": isolation}
        )
        assert status == 202, move
        return move["id"]

    async def moved(self, move_id: str) -> dict[str, Any]:
        """The move, once it has come to its end."""
        return await self.until(move_id, "done", "failed")

    async def until(self, move_id: str, *statuses: str) -> dict[str, Any]:
        async with asyncio.timeout(120):
            while True:
                status, move = await self.admin.get(f"/admin/tenants/{self.id}/moves/{move_id}")
                # A server that is being restarted answers with 503, or not at all.
                if status == 200 and move["status"] in statuses:
                    return move
                await asyncio.sleep(0.02)

    async def answers(self) -> dict[str, Any]:
        """What all questions find, to the last bit of the scores."""
        found: dict[str, Any] = {}
        for question in QUESTIONS:
            status, body = await self.client.post("/v1/search", {"query": question, "top_k": 20})
            assert status == 200, body
            found[question] = [(hit["chunk_id"], hit["score"]) for hit in body["hits"]]
        return found


@dataclass
class Load:
    """Searches that go on and on: how many there were, failed, or differed from `expected`."""

    tenant: Tenant
    expected: Mapping[str, Any] | None
    searches: int = 0
    faults: list[Any] = field(default_factory=list)

    async def ask(self) -> None:
        while True:
            try:
                answers = await self.tenant.answers()
            except (AssertionError, aiohttp.ClientError) as error:
                self.faults.append(error)
                continue
            self.searches += len(answers)
            if self.expected is not None and answers != self.expected:
                self.faults.append(answers)


@asynccontextmanager
async def loaded(tenant: Tenant, expected: Mapping[str, Any] | None) -> AsyncIterator[Load]:
    """Several askers at once, for as long as the block runs."""
    load = Load(tenant, expected)
    tasks = [asyncio.create_task(load.ask()) for _ in range(ASKERS)]
    try:
        yield load
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def made(session: aiohttp.ClientSession, server: Server) -> Tenant:
    admin = Client(session, server.url, ADMIN_KEY)
    _, tenant = await admin.post("/admin/tenants", {"name": "acme"})
    _, key = await admin.post(f"/admin/tenants/{tenant['id']}/keys", {"groups": ["legal"]})
    client = admin.with_key(key["secret"])
    for i in range(DOCUMENTS):
        fields = {"document_id": f"c{i}", "groups": json.dumps(["legal"] if i % 5 == 0 else [])}
        status, document = await client.upload(f"c{i}.md", text(i), **fields)
        assert (status, document["status"]) == (202, "ready"), document
    return Tenant(admin, client, tenant["id"])


async def test_a_tenant_moves_there_and_back_while_it_is_asked(tmp_path: Path):
    with running(tmp_path) as server:
        async with aiohttp.ClientSession() as session:
            tenant = await made(session, server)
            before = await tenant.answers()
            for tier in ("collection", "shared"):
                async with loaded(tenant, before) as load:
                    move = await tenant.moved(await tenant.move(tier))
                    await asyncio.sleep(0.5)  # asked in the new home, too
                assert move["status"] == "done", move
                assert move["report"]["searches_that_differed"] == 0
                assert move["report"]["documents"] == DOCUMENTS
                assert load.faults == []
                assert load.searches > 100, "too few searches to prove anything"
                _, seen = await tenant.admin.get(f"/admin/tenants/{tenant.id}")
                assert seen["isolation"] == tier


async def test_what_is_uploaded_replaced_and_deleted_during_a_move_ends_as_it_should(
    tmp_path: Path,
):
    with running(tmp_path) as server:
        async with aiohttp.ClientSession() as session:
            tenant = await made(session, server)
            async with loaded(tenant, None) as load:
                move_id = await tenant.move("collection")
                for i in range(100, 112):
                    status, _ = await tenant.client.upload(
                        f"c{i}.md", text(i), wait=0, document_id=f"c{i}"
                    )
                    assert status == 202
                for i in range(6):
                    assert (await tenant.client.call("DELETE", f"/v1/documents/c{i}"))[0] == 204
                for i in range(6, 12):  # what was contract i is contract i + 200 from now on
                    status, _ = await tenant.client.upload(
                        f"c{i}.md", text(i + 200), wait=0, document_id=f"c{i}"
                    )
                    assert status == 202
                move = await tenant.moved(move_id)
                assert move["status"] == "done", move

                async def settled() -> bool:
                    _, page = await tenant.client.get("/v1/documents?limit=1000")
                    return {each["status"] for each in page["data"]} == {"ready"}

                await wait_until(settled, 60)
            assert load.faults == []
            contracts = {f"c{i}": i for i in [*range(12, DOCUMENTS), *range(100, 112)]}
            contracts |= {f"c{i}": i + 200 for i in range(6, 12)}
            for name, number in contracts.items():
                query = {"query": f"clause {number}-3 of contract {number}", "top_k": 50}
                _, found = await tenant.client.post("/v1/search", query)
                mine = [hit["text"] for hit in found["hits"] if hit["document_id"] == name]
                assert any(f"Clause {number}-3 " in each for each in mine), name
                assert len(mine) == len(set(mine)), f"{name} is there twice"
            _, page = await tenant.client.get("/v1/documents?limit=1000")
            assert {each["id"] for each in page["data"]} == set(contracts)


async def kill_worker(server: Server) -> None:
    server.kill_child(WORKER)


async def kill_server(server: Server) -> None:
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


@pytest.mark.parametrize("moment", ["copying", "switching", "clearing"])
@pytest.mark.parametrize("kill", [kill_worker, kill_server])
async def test_a_move_that_is_killed_half_way_goes_on(
    tmp_path: Path, kill: Callable[[Server], Awaitable[None]], moment: str
):
    with running(tmp_path, {"CARREL_INGESTION__LEASE_SECONDS": "2"}) as server:
        async with aiohttp.ClientSession() as session:
            tenant = await made(session, server)
            before = await tenant.answers()
            for tier in ["collection", "shared"] * 5:
                move_id = await tenant.move(tier)
                seen = await tenant.until(move_id, moment, "done", "failed")
                if seen["status"] != "done":  # else it was over before one has seen it
                    break
            await kill(server)
            await asyncio.to_thread(server.wait_ready)
            async with loaded(tenant, before) as load:
                move = await tenant.moved(move_id)
            assert move["status"] == "done", move
            assert load.faults == []
            assert await tenant.answers() == before
            assert seen["status"] == moment


async def test_the_embedded_engine_offers_no_server_of_ones_own(acme: Client, admin: Client):
    status, body = await admin.post("/admin/tenants", {"name": "x", "isolation": "dedicated"})
    assert (status, body["error"]["param"]) == (422, "isolation")
    assert "CARREL_QDRANT_SERVERS" in body["error"]["message"]


async def test_a_tenant_can_be_made_in_a_collection_of_its_own(admin: Client):
    _, tenant = await admin.post("/admin/tenants", {"name": "x", "isolation": "collection"})
    _, key = await admin.post(f"/admin/tenants/{tenant['id']}/keys", {})
    client = admin.with_key(key["secret"])
    assert (await client.post("/v1/search", {"query": "fee"}))[1]["hits"] == []
    await client.post("/v1/documents?wait=30", {"text": "The fee is 7 euros."})
    assert (await client.post("/v1/search", {"query": "fee"}))[1]["hits"]


async def test_a_move_to_where_a_tenant_is_or_a_second_one_at_once_is_refused(admin: Client):
    _, tenant = await admin.post("/admin/tenants", {"name": "x"})
    moves = f"/admin/tenants/{tenant['id']}/moves"
    assert (await admin.post(moves, {"isolation": "shared"}))[0] == 409
    assert (await admin.post(moves, {"isolation": "collection"}))[0] == 202
    assert (await admin.post(moves, {"isolation": "collection"}))[0] == 409
    assert (await admin.post("/admin/tenants/ten_none/moves", {"isolation": "shared"}))[0] == 404
