"""Carrel over a Qdrant server: real gRPC, with the client's local mode behind it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tests.acceptance.server import ADMIN_KEY, Client, Server, new_tenant
from tests.contract.qdrant_wire import WireQdrant, listening

ENGINE = "carrel.vectors.edge.engine"


@pytest.fixture
async def qdrant_server(tmp_path: Path) -> AsyncIterator[Server]:
    async with listening(WireQdrant()) as port:
        environment = {
            "CARREL_QDRANT_URL": "http://127.0.0.1",
            "CARREL_QDRANT_GRPC_PORT": str(port),
        }
        server = Server(tmp_path / "data", environment)
        server.data_dir.mkdir()
        await asyncio.to_thread(server.start)  # Qdrant answers in this process's event loop
        yield server
        await asyncio.to_thread(server.stop)


async def test_two_tenants_upload_and_ask_without_the_engine(qdrant_server: Server):
    assert ENGINE not in qdrant_server.children()
    async with aiohttp.ClientSession() as session:
        admin = Client(session, qdrant_server.url, ADMIN_KEY)
        for name, days in (("acme", 30), ("globex", 14)):
            tenant = await new_tenant(admin, name)
            for text in (f"Refunds take {days + 1} days.", f"Refunds take {days} days."):
                body = {"text": text, "document_id": "policy"}
                status, document = await tenant.post("/v1/documents?wait=30", body)
                assert (status, document["status"]) == (202, "ready")
            _, answer = await tenant.post("/v1/query", {"question": "How long do refunds take?"})
            assert answer["answer"] == f"Refunds take {days} days [1]."
            assert len(answer["sources"]) == 1
            assert (await tenant.call("DELETE", "/v1/documents/policy"))[0] == 204
            _, found = await tenant.post("/v1/search", {"query": "refunds"})
            assert found["hits"] == []


async def test_a_server_too_old_is_refused_with_a_reason(tmp_path: Path):
    async with listening(WireQdrant("1.12.0")) as port:
        environment = {
            "CARREL_QDRANT_URL": "http://127.0.0.1",
            "CARREL_QDRANT_GRPC_PORT": str(port),
        }
        server = Server(tmp_path / "data", environment)
        server.data_dir.mkdir()
        with pytest.raises(AssertionError, match=r"Qdrant.*1\.1"):
            await asyncio.to_thread(server.start)
