"""One log line a request, however it ends; content only for a tenant that asked for it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from bench.simulator.behaviour import Behaviour
from bench.simulator.server import Simulator
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running

FAST = Behaviour(ttft_ms=5, tokens_per_second=2000, tokens=40)
SLOW = Behaviour(ttft_ms=5, tokens_per_second=50, tokens=500)
QUESTION = {"question": "How long do refunds take?"}


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def logging_server(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Server]:
    environment = {
        "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{port}/v1",
        "CARREL_LLM__MODEL": "small",
        "CARREL_LOG__FORMAT": "json",
        "CARREL_PRICES": '{"small": {"input": 1, "output": 2}}',
    }
    with running(tmp_path_factory.mktemp("log"), environment) as server:
        yield server


@pytest.fixture
async def upstream(port: int) -> AsyncIterator[Simulator]:
    async with Simulator(FAST, port=port) as simulator:
        yield simulator


@pytest.fixture
async def admin(logging_server: Server) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, logging_server.url, ADMIN_KEY)


@pytest.fixture
async def tenant(admin: Client) -> Client:
    client = await new_tenant(admin, "acme")
    body = {"text": "Refunds take 30 days after the return.", "document_id": "policy"}
    await client.post("/v1/documents?wait=30", body)
    return client


async def lines(server: Server, **wanted: Any) -> list[dict[str, Any]]:
    """The log lines with these fields, once there is one."""
    path: Path = server.data_dir.parent / "server.log"
    async with asyncio.timeout(10):
        while True:
            every = [json.loads(line) for line in path.read_text().splitlines() if line[0] == "{"]
            if found := [each for each in every if wanted.items() <= each.items()]:
                return found
            await asyncio.sleep(0.02)


async def line_of(server: Server, call: Any, route: str = "/v1/query") -> dict[str, Any]:
    """The one log line of the request that *call* makes; a line may follow its response."""
    path: Path = server.data_dir.parent / "server.log"
    before = path.stat().st_size
    await call
    async with asyncio.timeout(10):
        while True:
            new = path.read_bytes()[before:].decode().splitlines()
            every = [json.loads(line) for line in new if '"message": "request"' in line]
            if found := [line for line in every if line["route"] == route]:
                assert len(found) == 1
                return found[0]
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answers_line_says_who_asked_what_it_took_and_what_it_cost(
    logging_server: Server, tenant: Client, upstream: Simulator, stream: bool
):
    line = await line_of(logging_server, tenant.post("/v1/query", {**QUESTION, "stream": stream}))
    assert (line["route"], line["method"], line["status"]) == ("/v1/query", "POST", 200)
    assert (line["cache"], line["finish_reason"], line["model"]) == ("miss", "stop", "small")
    assert (line["prompt_tokens"], line["completion_tokens"]) == (
        upstream.stats.prompt_tokens,
        40,
    )
    assert line["cost_micro_usd"] == line["prompt_tokens"] + 80
    assert line["tenant_id"].startswith("ten_")
    assert line["key_id"].startswith("key_")
    assert line["request_id"].startswith("req_")
    assert 0 < line["retrieve_ms"] < line["first_token_ms"] <= line["ms"]
    assert line["generate_ms"] > 0
    assert "refunds" not in json.dumps(line).lower()
    assert "cut_off" not in line


async def test_what_is_refused_has_a_line_with_the_reason(
    logging_server: Server, tenant: Client, admin: Client
):
    bad_key = await line_of(logging_server, tenant.with_key("crl_x").post("/v1/query", QUESTION))
    assert (bad_key["status"], bad_key["error"]) == (401, "invalid_api_key")
    assert "tenant_id" not in bad_key
    forbidden = await line_of(logging_server, tenant.get("/admin/usage"), "/admin/usage")
    assert (forbidden["status"], forbidden["error"]) == (403, "insufficient_scope")
    assert forbidden["key_id"].startswith("key_")
    invalid = await line_of(logging_server, tenant.post("/v1/query", {"question": 1}))
    assert (invalid["status"], invalid["error"]) == (422, "invalid_request")
    assert invalid["tenant_id"].startswith("ten_")
    unknown = await line_of(logging_server, tenant.get("/nowhere/secret"), "none")
    assert (unknown["status"], unknown["error"], unknown["route"]) == (404, "not_found", "none")


async def test_a_failed_generation_has_a_line_with_what_it_used(
    logging_server: Server, tenant: Client, upstream: Simulator
):
    upstream.behaviour = Behaviour(status=500)
    refused = await line_of(logging_server, tenant.post("/v1/query", QUESTION))
    assert (refused["status"], refused["error"]) == (503, "unavailable")
    assert (refused["finish_reason"], refused["cost_micro_usd"]) == ("unfinished", 0)
    upstream.behaviour = Behaviour(ttft_ms=5, tokens_per_second=1000, error_after=5)
    broken = await line_of(logging_server, tenant.post("/v1/query", {**QUESTION, "stream": True}))
    assert (broken["status"], broken["error"]) == (200, "unavailable")
    assert broken["finish_reason"] == "unfinished"
    assert broken["completion_tokens"] >= 5
    assert broken["cost_micro_usd"] > 0


async def test_a_reader_that_leaves_has_a_line_with_what_was_sent(
    logging_server: Server, tenant: Client, upstream: Simulator
):
    upstream.behaviour = SLOW

    async def leave() -> None:
        headers = {"authorization": f"Bearer {tenant.key}"}
        async with tenant.session.post(
            f"{tenant.url}/v1/query", json={**QUESTION, "stream": True}, headers=headers
        ) as response:
            async for line in response.content:
                if line.startswith(b"event: delta"):
                    response.close()
                    return

    line = await line_of(logging_server, leave())
    assert (line["status"], line["cut_off"], line["finish_reason"]) == (200, True, "unfinished")
    assert line["completion_tokens"] > 0


async def test_content_is_logged_for_a_tenant_that_asks_for_it_redacted(
    logging_server: Server, tenant: Client, admin: Client, upstream: Simulator
):
    _, tenants = await admin.get("/admin/tenants")
    path = f"/admin/tenants/{tenants['data'][-1]['id']}"
    assert tenants["data"][-1]["log_content"] is False
    status, changed = await admin.call("PATCH", path, json={"log_content": True})
    assert (status, changed["log_content"]) == (200, True)
    asked = {"question": "How long do refunds for jo@example.org take?"}
    await line_of(logging_server, tenant.post("/v1/query", asked))
    line = (await lines(logging_server, logger="carrel.content"))[-1]
    assert line["question"] == "How long do refunds for [email] take?"
    assert len(line["answer"]) > 10
    assert (line["tenant_id"], line["message"]) == (tenants["data"][-1]["id"], "content")
    await admin.call("PATCH", path, json={"log_content": False})
    await line_of(logging_server, tenant.post("/v1/query", {**asked, "stream": True}))
    await line_of(logging_server, tenant.post("/v1/query", asked))
    assert len(await lines(logging_server, logger="carrel.content")) == 1
