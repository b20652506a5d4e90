"""Answers by several upstreams: which one answers, what is charged for it, and what is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from bench.simulator import Behaviour, Simulator
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running

FAST = Behaviour(ttft_ms=5, tokens_per_second=2000, tokens=40)
SILENT = Behaviour(ttft_ms=60_000)
PRICES = {"dear": {"input": 10, "output": 30}, "cheap": {"input": 1, "output": 2}}
Upstreams = tuple[Simulator, Simulator]


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int]) -> Iterator[Server]:
    upstreams = [
        {
            "name": f"the-{model}",
            "base_url": f"http://127.0.0.1:{port}/v1",
            "model": model,
            "priority": number,
            "first_token_timeout_seconds": 0.5,
            "max_concurrency": 2,
        }
        for number, (model, port) in enumerate(zip(("cheap", "dear"), ports, strict=True))
    ]
    environment = {
        "CARREL_LLM__UPSTREAMS": json.dumps(upstreams),
        "CARREL_LLM__RETRY_SHARE": "1",
        "CARREL_PRICES": json.dumps(PRICES),
    }
    with running(tmp_path_factory.mktemp("upstreams"), environment) as server:
        yield server


@pytest.fixture
async def upstreams(ports: tuple[int, int]) -> AsyncIterator[Upstreams]:
    async with Simulator(FAST, port=ports[0]) as cheap, Simulator(FAST, port=ports[1]) as dear:
        yield cheap, dear


@pytest.fixture
async def tenant(server: Server, upstreams: Upstreams) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        client = await new_tenant(Client(session, server.url, ADMIN_KEY), "acme")
        body = {"text": "Refunds take 30 days after the return.", "document_id": "policy"}
        await client.post("/v1/documents?wait=30", body)
        yield client


def asking(**changes: Any) -> dict[str, Any]:
    return {"question": "How long do refunds take?", "cache": "bypass", **changes}


def micro_usd(usage: dict[str, Any]) -> int:
    return round(float(usage["cost_usd"]) * 1e6)


async def test_the_first_answers_and_the_second_where_it_fails(
    tenant: Client, upstreams: Upstreams
):
    cheap, dear = upstreams
    _, answer = await tenant.post("/v1/query", asking())
    assert answer["model"] == "cheap"
    prompt = cheap.stats.prompt_tokens
    assert micro_usd(answer["usage"]) == prompt + 2 * 40
    cheap.behaviour = Behaviour(status=500)
    _, answer = await tenant.post("/v1/query", asking())
    assert answer["model"] == "dear"
    assert answer["usage"]["prompt_tokens"] == dear.stats.prompt_tokens
    assert micro_usd(answer["usage"]) == 10 * prompt + 30 * 40


async def test_an_attempt_that_may_be_charged_is_in_the_cost(tenant: Client, upstreams: Upstreams):
    cheap, dear = upstreams
    cheap.behaviour = SILENT
    _, answer = await tenant.post("/v1/query", asking())
    usage = answer["usage"]
    prompt = dear.stats.prompt_tokens
    assert answer["model"] == "dear"
    charged = usage["prompt_tokens"] - prompt  # counted here, not by the one that was silent
    assert charged > 0
    assert micro_usd(usage) == charged + 10 * prompt + 30 * 40


async def test_models_are_offered_and_may_be_chosen(tenant: Client, upstreams: Upstreams):
    _, listed = await tenant.get("/v1/models")
    assert [each["id"] for each in listed["data"]] == ["carrel", "cheap", "dear"]
    for model in ("dear", "cheap"):
        for status in ("miss", "exact"):
            _, answer = await tenant.post("/v1/query", asking(model=model, cache="use"))
            assert (answer["model"], answer["cache"]["status"]) == (model, status)
    status, answer = await tenant.post("/v1/query", asking(model="other"))
    assert (status, answer["error"]["param"]) == (422, "model")
    body = {"model": "dear", "messages": [{"role": "user", "content": "How long do refunds take?"}]}
    _, completion = await tenant.post("/v1/chat/completions", {**body, "cache": "bypass"})
    assert completion["model"] == "dear"


async def test_a_budget_is_not_overspent_by_a_dearer_upstream(tenant: Client, upstreams: Upstreams):
    cheap, dear = upstreams
    dear.behaviour = FAST.for_model("sim-tokens-500")
    cheap.behaviour = Behaviour(status=500)
    admin = tenant.with_key(ADMIN_KEY)
    made = {"name": "poor", "budget": {"usd": "0.012", "period": "day"}}
    _, poor = await admin.post("/admin/tenants", made)
    _, key = await admin.post(f"/admin/tenants/{poor['id']}/keys", {})
    client = tenant.with_key(key["secret"])
    body = {"text": "Refunds take 30 days after the return.", "document_id": "policy"}
    await client.post("/v1/documents?wait=30", body)
    done = [
        await client.post("/v1/query", asking(question=f"How long do refunds take, case {n}?"))
        for n in range(4)
    ]
    spent = sum(micro_usd(answer["usage"]) for status, answer in done if status == 200)
    assert {answer["model"] for status, answer in done if status == 200} == {"dear"}
    assert done[-1][1]["error"]["code"] == "insufficient_quota"
    assert 0 < spent <= 12_000


async def test_more_answers_than_the_upstreams_write_at_once_are_refused_fast(
    tenant: Client, upstreams: Upstreams
):
    for each in upstreams:
        each.behaviour = Behaviour(ttft_ms=5, tokens_per_second=20, tokens=60)
    asked = [
        asyncio.create_task(tenant.post("/v1/query", asking(question=f"Refunds: how long? {n}")))
        for n in range(10)
    ]
    done = await asyncio.gather(*asked)
    statuses = sorted(status for status, _ in done)
    assert statuses.count(200) <= 4
    assert statuses.count(503) >= 6
    assert {body["error"]["code"] for status, body in done if status == 503} == {"unavailable"}


async def test_upstreams_are_measured_by_their_names(tenant: Client, upstreams: Upstreams):
    await tenant.post("/v1/query", asking())
    _, text = await tenant.get("/metrics")
    assert 'carrel_upstream_attempts_total{outcome="ok",upstream="the-cheap"}' in text
    assert 'carrel_upstream_in_flight{upstream="the-dear"} 0.0' in text
    assert 'carrel_upstream_open{upstream="the-cheap"}' in text
