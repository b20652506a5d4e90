"""Traces, as a collector receives them from the processes of a real server."""

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from bench.simulator.behaviour import Behaviour
from bench.simulator.server import Simulator
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, running
from tests.collector import Collector, Span, tree

FAST = Behaviour(ttft_ms=5, tokens_per_second=2000, tokens=40)
SECRET = "sesquipedalian"
POLICY = f"Refunds of {SECRET} take 30 days after the return. Write to jo@example.com for them."
QUESTION = {"question": f"How long do refunds of {SECRET} take, jo@example.com?", "stream": True}


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int]) -> Iterator[Server]:
    environment = settings(*ports) | {"CARREL_LOG__FORMAT": "json"}
    with running(tmp_path_factory.mktemp("traced"), environment) as server:
        yield server


def settings(llm: int, collector: int) -> dict[str, str]:
    return {
        "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{llm}/v1",
        "CARREL_LLM__MODEL": "small",
        "CARREL_PRICES": '{"small": {"input": 1, "output": 2}}',
        "CARREL_TRACING__ENDPOINT": f"http://127.0.0.1:{collector}",
    }


@pytest.fixture
async def upstream(ports: tuple[int, int]) -> AsyncIterator[Simulator]:
    async with Simulator(FAST, port=ports[0]) as simulator:
        yield simulator


@pytest.fixture
async def collector(ports: tuple[int, int]) -> AsyncIterator[Collector]:
    async with Collector(ports[1]) as collector:
        yield collector


@pytest.fixture
async def admin(traced: Server) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, traced.url, ADMIN_KEY)


@pytest.fixture
async def tenant(admin: Client, collector: Collector) -> Client:
    return await with_policy(admin)


async def with_policy(admin: Client, **choices: Any) -> Client:
    """A client with a key of a new tenant, which has a document and made these choices."""
    _, made = await admin.post("/admin/tenants", {"name": "acme"})
    status, _ = await admin.call("PATCH", f"/admin/tenants/{made['id']}", json=choices)
    assert status == 200
    _, key = await admin.post(f"/admin/tenants/{made['id']}/keys", {})
    client = admin.with_key(key["secret"])
    body = {"text": POLICY, "document_id": "policy"}
    _, document = await client.post("/v1/documents?wait=30", body)
    assert document["status"] == "ready"
    return client


def ids(*, sampled: bool = True) -> tuple[str, dict[str, str]]:
    """A trace id, and the header of a caller with such a trace."""
    trace_id = secrets.token_hex(16)
    flags = "01" if sampled else "00"
    return trace_id, {"traceparent": f"00-{trace_id}-{'ab' * 8}-{flags}"}


def one(spans: list[Span], name: str) -> Span:
    (found,) = [span for span in spans if span.name == name]
    return found


async def test_a_streamed_question_is_a_tree_of_its_stages(
    tenant: Client, upstream: Simulator, collector: Collector
) -> None:
    trace_id, headers = ids()
    status, _ = await tenant.post("/v1/query", QUESTION, headers=headers)
    assert status == 200
    spans = await collector.trace(trace_id, "POST /v1/query", "settle")
    assert tree(spans) == {
        "POST /v1/query": {
            "authenticate": {},
            "exact": {},
            "admit": {},
            "retrieve": {"embed": {}, "search": {}, "visible": {}},
            "reserve": {},
            "generate": {"chat small": {}},
            "settle": {},
        }
    }
    root, chat = one(spans, "POST /v1/query"), one(spans, "chat small")
    assert (root.kind, root.parent_id, root.failed) == ("server", "ab" * 8, False)
    assert root.attributes["http.response.status_code"] == 200
    assert root.attributes["carrel.cache"] == "miss"
    assert root.attributes["carrel.cost_micro_usd"] > 0
    assert "first_token" in root.events
    assert "first_token" in chat.events
    assert chat.kind == "client"
    # What the model is asked is part of this very span.
    assert upstream.last_headers["traceparent"] == f"00-{trace_id}-{chat.span_id}-01"
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai_compatible",
        "gen_ai.request.model": "small",
        "gen_ai.response.model": "small",
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": 512,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.output_tokens": 40,
    }
    assert expected.items() <= chat.attributes.items()
    assert chat.attributes["gen_ai.usage.input_tokens"] > 0
    retrieve = one(spans, "retrieve").attributes
    assert (retrieve["gen_ai.operation.name"], retrieve["carrel.relevant"]) == ("retrieval", True)
    assert {span.process for span in spans} == {"api"}
    assert all(root.started_ns <= s.started_ns <= s.ended_ns for s in spans)


async def test_an_answer_from_the_cache_is_a_short_tree(
    tenant: Client, upstream: Simulator, collector: Collector
) -> None:
    await tenant.post("/v1/query", QUESTION)
    trace_id, headers = ids()
    await tenant.post("/v1/query", QUESTION, headers=headers)
    spans = await collector.trace(trace_id, "POST /v1/query")
    assert tree(spans) == {
        "POST /v1/query": {"authenticate": {}, "exact": {}, "admit": {}, "settle": {}}
    }
    assert one(spans, "POST /v1/query").attributes["carrel.cache"] == "exact"


async def test_a_look_for_similar_questions_and_a_reservation_are_spans(
    admin: Client, upstream: Simulator, collector: Collector
) -> None:
    budget = {"usd": "5", "period": "day"}
    client = await with_policy(admin, semantic_cache="strict", budget=budget)
    trace_id, headers = ids()
    await client.post("/v1/query", QUESTION, headers=headers)
    found = tree(await collector.trace(trace_id, "POST /v1/query", "settle"))["POST /v1/query"]
    assert {"semantic", "retrieve", "reserve", "generate"} <= set(found)


async def test_a_document_is_followed_from_its_upload_through_the_worker(
    tenant: Client, collector: Collector
) -> None:
    trace_id, headers = ids()
    body = {"text": "Deliveries take three days.", "document_id": "deliveries"}
    _, document = await tenant.post("/v1/documents?wait=30", body, headers=headers)
    assert document["status"] == "ready"
    spans = await collector.trace(trace_id, "POST /v1/documents", "job ingest")
    found = tree(spans)["POST /v1/documents"]
    assert list(found["job ingest"]) == ["parse", "embed", "stage", "publish", "swap"]
    assert found["job ingest"]["parse"] == {"chunk": {}}
    job = one(spans, "job ingest")
    assert (job.kind, job.process) == ("consumer", "worker")
    assert job.attributes["carrel.outcome"] == "done"
    assert one(spans, "POST /v1/documents").process == "api"


async def test_no_text_of_anyone_is_in_any_span(
    admin: Client, tenant: Client, upstream: Simulator, collector: Collector
) -> None:
    trace_id, headers = ids()
    await tenant.post("/v1/query", QUESTION, headers=headers)
    await tenant.post("/v1/query", {"question": SECRET, "filter": {SECRET: 1}}, headers=headers)
    await collector.trace(trace_id, "POST /v1/query", "settle")
    said = b"".join(collector.bodies)
    assert SECRET.encode() not in said
    assert b"30 days" not in said


async def test_a_tenant_that_has_its_content_logged_has_it_in_its_traces_redacted(
    admin: Client, collector: Collector, upstream: Simulator
) -> None:
    client = await with_policy(admin, log_content=True)
    for stream in (True, False):
        trace_id, headers = ids()
        asked = {**QUESTION, "stream": stream, "cache": "bypass"}
        await client.post("/v1/query", asked, headers=headers)
        spans = await collector.trace(trace_id, "POST /v1/query")
        attributes = one(spans, "POST /v1/query").attributes
        question = attributes["carrel.question"]
        assert question == f"How long do refunds of {SECRET} take, [email]?"
        assert attributes["carrel.answer"]


async def test_log_lines_name_the_trace(traced: Server, tenant: Client) -> None:
    trace_id, headers = ids()
    await tenant.get("/v1/documents", headers=headers)
    path: Path = traced.data_dir.parent / "server.log"
    async with asyncio.timeout(10):
        while True:
            lines: list[dict[str, Any]] = [
                json.loads(line) for line in path.read_text().splitlines() if line[:1] == "{"
            ]
            if [line for line in lines if line.get("trace_id") == trace_id]:
                return
            await asyncio.sleep(0.02)


async def test_a_failed_model_fails_its_span_and_its_type_is_all_that_is_said(
    tenant: Client, collector: Collector
) -> None:
    # No simulator runs: the model cannot be reached.
    trace_id, headers = ids()
    status, _ = await tenant.post("/v1/query", {**QUESTION, "stream": False}, headers=headers)
    assert status == 503
    spans = await collector.trace(trace_id, "POST /v1/query", "chat small")
    for name in ("POST /v1/query", "generate", "chat small"):
        assert one(spans, name).failed, name
    assert one(spans, "chat small").attributes["error.type"] == "GenerationFailed"


async def test_what_a_caller_says_of_sampling_is_not_followed_unless_set(
    tmp_path: Path, upstream: Simulator, ports: tuple[int, int]
) -> None:
    async with Collector() as unasked:
        environment = settings(ports[0], unasked.port) | {"CARREL_TRACING__RATIO": "0"}
        with running(tmp_path, environment) as server:
            async with aiohttp.ClientSession() as session:
                client = await with_policy(Client(session, server.url, ADMIN_KEY))
                trace_id, headers = ids(sampled=True)
                status, _ = await client.post("/v1/query", QUESTION, headers=headers)
            assert status == 200
            # The id goes on to the model, and the flag says that nobody records it.
            _, sent, _, flags = upstream.last_headers["traceparent"].split("-")
            assert (sent, flags) == (trace_id, "00")
            assert await asyncio.to_thread(server.stop) == 0
        assert not unasked.asked


async def until_lost(admin: Client) -> None:
    """Returns once spans were given up."""
    async with asyncio.timeout(30):
        while True:
            _, text = await admin.get("/metrics")
            if re.search(r'^carrel_trace_spans_total{outcome="lost"} [1-9]', text, re.MULTILINE):
                return
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("state", ["absent", "refusing", "hanging"])
async def test_a_collector_that_is_down_costs_nobody_anything(
    tmp_path: Path, upstream: Simulator, ports: tuple[int, int], state: str
) -> None:
    async with Collector() as down:
        down.refuses, down.hangs = state == "refusing", state == "hanging"
        endpoint = free_port() if state == "absent" else down.port
        with running(tmp_path, settings(ports[0], endpoint)) as server:
            async with aiohttp.ClientSession() as session:
                admin = Client(session, server.url, ADMIN_KEY)
                client = await with_policy(admin)
                for _ in range(20):
                    status, _ = await client.post("/v1/query", {**QUESTION, "cache": "refresh"})
                    assert status == 200
                await until_lost(admin)
            started = time.monotonic()
            assert await asyncio.to_thread(server.stop) == 0
            assert time.monotonic() - started < 12  # it waits for no collector
            assert server.log().count("traces cannot be delivered") <= 2  # one for each process
