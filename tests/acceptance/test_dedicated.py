"""A tenant on a Qdrant server of its own: real gRPC, with the client's local mode behind it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.acceptance.server import ADMIN_KEY, Client, Server, new_tenant
from tests.acceptance.test_crashes import wait_until
from tests.contract.qdrant_wire import WireQdrant, listening


@dataclass
class Deployment:
    """A server, the Qdrant that tenants share, and one for a tenant of its own."""

    server: Server
    shared: WireQdrant
    own: WireQdrant


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    async with AsyncExitStack() as stack:
        shared, own = WireQdrant(), WireQdrant()
        ports = [await stack.enter_async_context(listening(each)) for each in (shared, own)]
        servers = {"eu-1": {"url": "http://127.0.0.1", "grpc_port": ports[1]}}
        environment = {
            "CARREL_QDRANT_URL": "http://127.0.0.1",
            "CARREL_QDRANT_GRPC_PORT": str(ports[0]),
            "CARREL_QDRANT_SERVERS": json.dumps(servers),
        }
        server = Server(tmp_path / "data", environment)
        server.data_dir.mkdir()
        await asyncio.to_thread(server.start)  # Qdrant answers in this process's event loop
        yield Deployment(server, shared, own)
        await asyncio.to_thread(server.stop)


async def collections(qdrant: WireQdrant) -> set[str]:
    return {each.name for each in (await qdrant.local.get_collections()).collections}


async def moved(admin: Client, tenant_id: str, body: dict[str, Any]) -> dict[str, Any]:
    path = f"/admin/tenants/{tenant_id}/moves"
    status, move = await admin.post(path, body)
    assert status == 202, move
    async with asyncio.timeout(60):
        while move["status"] not in ("done", "failed"):
            await asyncio.sleep(0.1)
            _, move = await admin.get(f"{path}/{move['id']}")
    return move


async def test_a_tenant_moves_to_a_server_of_its_own_and_back(deployment: Deployment):
    async with aiohttp.ClientSession() as session:
        admin = Client(session, deployment.server.url, ADMIN_KEY)
        _, tenant = await admin.post("/admin/tenants", {"name": "acme"})
        _, key = await admin.post(f"/admin/tenants/{tenant['id']}/keys", {})
        acme, other = admin.with_key(key["secret"]), await new_tenant(admin, "globex")
        for client, days in ((acme, 30), (other, 14)):
            await client.post("/v1/documents?wait=30", {"text": f"Refunds take {days} days."})
        query = {"query": "How long do refunds take?"}
        before = (await acme.post("/v1/search", query))[1]

        move = await moved(admin, tenant["id"], {"isolation": "dedicated", "server": "eu-1"})
        assert move["status"] == "done", move
        assert (await acme.post("/v1/search", query))[1] == before
        [own] = await collections(deployment.own)
        assert own != "carrel"
        assert await collections(deployment.shared) == {"carrel"}
        status, refused = await admin.post(
            "/admin/tenants", {"name": "x", "isolation": "dedicated", "server": "eu-1"}
        )
        assert (status, refused["error"]["code"]) == (409, "conflict")

        deployment.own.silent = True  # its trouble is nobody else's
        # What was found before is still so, and is given; what is new can't be searched for.
        assert (await acme.post("/v1/search", {**query, "top_k": 7}))[0] == 503
        assert (await other.post("/v1/search", query))[1]["hits"]
        deployment.own.silent = False

        async def answers() -> bool:
            return (await acme.post("/v1/search", query))[0] == 200

        await wait_until(answers, 20)
        move = await moved(admin, tenant["id"], {"isolation": "shared"})
        assert move["status"] == "done", move
        assert (await acme.post("/v1/search", query))[1] == before
        assert await collections(deployment.own) == set()


@pytest.mark.parametrize("server", [None, "us-9"])
async def test_a_server_that_nobody_named_is_refused_with_those_there_are(
    deployment: Deployment, server: str | None
):
    async with aiohttp.ClientSession() as session:
        admin = Client(session, deployment.server.url, ADMIN_KEY)
        body = {"name": "x", "isolation": "dedicated", "server": server}
        status, refused = await admin.post("/admin/tenants", body)
        assert (status, refused["error"]["param"]) == (422, "server")
        assert "eu-1" in refused["error"]["message"]
