"""Answers by a model, over HTTP at both ends: the simulator stands in for the upstream."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
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
def upstream_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def llm_server(tmp_path_factory: pytest.TempPathFactory, upstream_port: int) -> Iterator[Server]:
    environment = {
        "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
        "CARREL_LLM__MODEL": "small",
        "CARREL_LLM__TOKEN_TIMEOUT_SECONDS": "0.5",
        "CARREL_PRICES": '{"small": {"input": 1, "output": 2}}',
    }
    with running(tmp_path_factory.mktemp("llm"), environment) as server:
        yield server


@pytest.fixture
async def upstream(upstream_port: int) -> AsyncIterator[Simulator]:
    async with Simulator(FAST, port=upstream_port) as simulator:
        yield simulator


@pytest.fixture
async def tenant(llm_server: Server) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        client = await new_tenant(Client(session, llm_server.url, ADMIN_KEY), "acme")
        body = {"text": "Refunds take 30 days after the return.", "document_id": "policy"}
        await client.post("/v1/documents?wait=30", body)
        yield client


async def usage_of(client: Client, requests: int) -> dict[str, Any]:
    """The tenant's usage once *requests* have been counted."""
    async with asyncio.timeout(10):
        while True:
            _, report = await client.get("/v1/usage")
            if report["data"] and report["data"][0]["requests"] == requests:
                return report["data"][0]
            await asyncio.sleep(0.05)


async def test_an_answer_has_the_upstreams_words_and_its_price(tenant: Client, upstream: Simulator):
    status, answer = await tenant.post("/v1/query", QUESTION)
    assert (status, answer["model"], answer["finish_reason"]) == (200, "small", "stop")
    usage = answer["usage"]
    assert usage["prompt_tokens"] == upstream.stats.prompt_tokens
    assert usage["completion_tokens"] == upstream.stats.completion_tokens == 40
    micro_usd = usage["prompt_tokens"] + 2 * usage["completion_tokens"]
    assert usage["cost_usd"] == f"{micro_usd / 1e6:f}".rstrip("0")
    assert answer["citations"][0]["document_id"] == "policy"
    assert (await usage_of(tenant, 1))["cost_usd"] == usage["cost_usd"]


async def test_the_prompt_holds_the_sources_and_the_question_once(
    tenant: Client, upstream: Simulator
):
    await tenant.post("/v1/query", {**QUESTION, "max_tokens": 77})
    sent = json.dumps(upstream.last_request["messages"])
    assert sent.count("Refunds take 30 days") == 1
    assert sent.count(QUESTION["question"]) == 1
    assert upstream.last_request["max_tokens"] == 77
    assert upstream.last_request["model"] == "small"


async def test_without_evidence_the_upstream_is_not_asked(tenant: Client, upstream: Simulator):
    _, answer = await tenant.post("/v1/query", {"question": "Who painted the Night Watch?"})
    assert answer["finish_reason"] == "no_evidence"
    assert upstream.stats.requests == 0


async def test_a_reader_that_leaves_stops_the_upstream_and_is_billed(
    tenant: Client, upstream: Simulator
):
    upstream.behaviour = SLOW
    headers = {"authorization": f"Bearer {tenant.key}"}
    async with tenant.session.post(
        f"{tenant.url}/v1/query", json={**QUESTION, "stream": True}, headers=headers
    ) as response:
        async for line in response.content:
            if line.startswith(b"event: delta"):
                break
        response.close()
    async with asyncio.timeout(5):
        await upstream.stats.until(lambda stats: stats.cancelled_by_client == 1)
    assert upstream.stats.completion_tokens < 500
    counted = await usage_of(tenant, 1)
    assert counted["completion_tokens"] > 0
    assert counted["prompt_tokens"] > 0
    assert counted["cost_usd"] != "0"


async def test_an_upstream_that_is_down_is_unavailable(tenant: Client):
    status, answer = await tenant.post("/v1/query", QUESTION)
    assert (status, answer["error"]["code"]) == (503, "unavailable")
    status, answer = await tenant.post("/v1/query", {**QUESTION, "stream": True})
    assert status in (200, 503)


@pytest.mark.parametrize("status", [429, 500, 401])
async def test_an_upstream_that_refuses_is_unavailable_until_it_answers_again(
    tenant: Client, upstream: Simulator, status: int
):
    upstream.behaviour = Behaviour(status=status)
    seen, answer = await tenant.post("/v1/query", QUESTION)
    assert (seen, answer["error"]["code"]) == (503, "unavailable")
    upstream.behaviour = FAST
    async with asyncio.timeout(30):
        while True:
            if (await tenant.post("/v1/query", QUESTION))[0] == 200:
                break
            await asyncio.sleep(0.05)


async def test_a_stall_in_the_middle_is_an_error_event(tenant: Client, upstream: Simulator):
    upstream.behaviour = Behaviour(ttft_ms=5, tokens_per_second=1000, stall_after=5)
    headers = {"authorization": f"Bearer {tenant.key}"}
    async with tenant.session.post(
        f"{tenant.url}/v1/query", json={**QUESTION, "stream": True}, headers=headers
    ) as response:
        text = await response.text()
    events = [block.split("\n") for block in text.strip().split("\n\n")]
    assert events[-1][1] == "event: error"
    body = json.loads(events[-1][2].removeprefix("data: "))
    assert body["error"]["code"] == "unavailable"
    assert "delta" in text
    assert (await usage_of(tenant, 1))["completion_tokens"] > 0
