"""Several API processes of one host: one deployment to whoever asks, also when one of them dies."""

import asyncio
import os
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from bench.simulator.behaviour import Behaviour
from bench.simulator.server import Simulator
from redis import Redis
from tests import services
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running

from carrel.redis.client import RedisClient

QUESTION = "How long do refunds take?"
DOCUMENT = {"text": "Refunds take 30 days after the return.", "document_id": "policy"}


@pytest.fixture
def upstream_port() -> int:
    return free_port()


@pytest.fixture
def server(tmp_path: Path, upstream_port: int) -> Iterator[Server]:
    with services.redis() as redis:
        environment = {
            "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
            "CARREL_LLM__MODEL": "small",
            "CARREL_PRICES": '{"small": {"input": 100, "output": 1000}}',
            "CARREL_REDIS_URL": redis.url,
            "CARREL_REDIS_TIMEOUT_SECONDS": "5",
        }
        with running(tmp_path, environment, arguments=["--workers", "2"]) as started:
            yield started


@pytest.fixture
async def upstream(upstream_port: int) -> AsyncIterator[Simulator]:
    behaviour = Behaviour(ttft_ms=10, tokens_per_second=20, tokens=40)
    async with Simulator(behaviour, port=upstream_port) as simulator:
        yield simulator


@pytest.fixture
async def acme(server: Server) -> AsyncIterator[Client]:
    # A connection for each request: it may come to any of the processes.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        client = await new_tenant(Client(session, server.url, ADMIN_KEY), "acme")
        status, _ = await client.post("/v1/documents?wait=30", DOCUMENT)
        assert status == 202
        yield client


async def total(server: Server, session: aiohttp.ClientSession, sample: str) -> float:
    """The sum of a metric's samples whose name and labels begin with *sample*."""
    _, text = await Client(session, server.url, None).get("/metrics")
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(sample))


async def until(server: Server, session: aiohttp.ClientSession, sample: str, value: float) -> None:
    async with asyncio.timeout(30):
        while await total(server, session, sample) != value:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def stream(client: Client, question: str, seen: list[bytes]) -> None:
    """Read a streamed answer into *seen*, to its end or to that of its server."""
    headers = {"authorization": f"Bearer {client.key}"}
    body = {"question": question, "stream": True, "cache": "bypass"}
    async with client.session.post(client.url + "/v1/query", json=body, headers=headers) as reply:
        assert reply.status == 200, await reply.text()
        async for line in reply.content:
            seen.append(line)  # noqa: PERF401 - also what came before it broke


async def test_what_one_process_is_told_holds_in_all(
    server: Server, acme: Client, upstream: Simulator
):
    assert len(server.apis()) == 2
    outcomes = [await acme.post("/v1/query", {"question": QUESTION}) for _ in range(12)]
    assert Counter(answer["cache"]["status"] for _, answer in outcomes) == {"miss": 1, "exact": 11}
    await acme.post("/v1/documents?wait=30", {**DOCUMENT, "text": "Refunds take 9 days."})
    statuses = [(await acme.post("/v1/query", {"question": QUESTION}))[1] for _ in range(12)]
    assert {answer["sources"][0]["text"] for answer in statuses} == {"Refunds take 9 days."}
    assert upstream.stats.requests == 2

    await acme.with_key(ADMIN_KEY).call(
        "PATCH",
        f"/admin/tenants/{(await tenants(acme))['acme']}",
        json={"limits": {"requests_per_minute": 5}},
    )
    await asyncio.sleep(6)  # what is verified is remembered for 5 s without a word from Redis
    statuses = [(await acme.post("/v1/search", {"query": QUESTION}))[0] for _ in range(10)]
    assert Counter(statuses)[200] <= 5


async def tenants(client: Client) -> dict[str, str]:
    _, page = await client.with_key(ADMIN_KEY).get("/admin/tenants")
    return {tenant["name"]: tenant["id"] for tenant in page["data"]}


async def test_metrics_are_those_of_all_processes_and_outlive_one_that_is_killed(
    server: Server, acme: Client, upstream: Simulator
):
    asked = 'carrel_http_requests_total{method="POST",route="/v1/search"'
    for _ in range(10):
        await acme.post("/v1/search", {"query": QUESTION})
    assert await total(server, acme.session, asked) == 10

    lines: list[list[bytes]] = [[] for _ in range(8)]
    streams = [asyncio.create_task(stream(acme, f"{QUESTION} {i}?", lines[i])) for i in range(8)]
    await until(server, acme.session, "carrel_streams_in_flight", 8)
    os.kill(next(iter(server.apis())), signal.SIGKILL)
    outcomes = await asyncio.gather(*streams, return_exceptions=True)
    lost = sum(isinstance(outcome, aiohttp.ClientError) for outcome in outcomes)
    assert 1 <= lost <= 7, "both processes had streams"
    await until(server, acme.session, "carrel_streams_in_flight", 0)

    async with asyncio.timeout(30):
        while len(server.apis()) < 2:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    assert await total(server, acme.session, asked) == 10
    for _ in range(10):
        await acme.post("/v1/search", {"query": QUESTION})
    assert await total(server, acme.session, asked) == 20


async def test_a_killed_process_holds_no_money_and_the_other_serves_on(
    server: Server, acme: Client, upstream: Simulator
):
    tenant = (await tenants(acme))["acme"]
    admin = acme.with_key(ADMIN_KEY)
    await admin.call(
        "PATCH", f"/admin/tenants/{tenant}", json={"budget": {"usd": "10", "period": "day"}}
    )
    async with asyncio.timeout(30):  # a Redis that is new is told first what was spent
        while (await acme.post("/v1/query", {"question": "Refunds?", "cache": "bypass"}))[0] != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    lines: list[list[bytes]] = [[] for _ in range(6)]
    streams = [asyncio.create_task(stream(acme, f"{QUESTION} {i}?", lines[i])) for i in range(6)]
    await until(server, acme.session, "carrel_streams_in_flight", 6)
    uploads = [
        asyncio.create_task(
            acme.post("/v1/documents", {"text": f"Clause {i}.", "document_id": f"c{i}"})
        )
        for i in range(20)
    ]
    await asyncio.sleep(0.02)
    os.kill(next(iter(server.apis())), signal.SIGKILL)
    for _ in range(20):  # whoever connects is served
        status, _ = await acme.post("/v1/search", {"query": QUESTION})
        assert status == 200
    await asyncio.gather(*streams, return_exceptions=True)

    accepted = [
        outcome[1]["id"]
        for outcome in await asyncio.gather(*uploads, return_exceptions=True)
        if not isinstance(outcome, BaseException) and outcome[0] == 202
    ]
    for name in accepted:
        _, document = await acme.get(f"/v1/documents/{name}?wait=30")
        assert document["status"] == "ready", document

    assert await held(server) > 0
    async with asyncio.timeout(30):
        while await held(server):
            await acme.post("/v1/query", {"question": QUESTION, "cache": "bypass"})


async def held(server: Server) -> int:
    """Micro-dollars that are held on all budgets."""
    redis = RedisClient(server.environment["CARREL_REDIS_URL"], budget_seconds=5)
    try:
        keys = await redis.call("KEYS", "carrel:*:budget:*")
        accounts = [key for key in keys if not key.endswith((b":holds", b":late"))]
        assert accounts
        amounts = await redis.call_all([("HGET", account, "held") for account in accounts])
        return sum(int(amount or 0) for amount in amounts)
    finally:
        await redis.close()


async def test_the_first_admin_key_is_told_once(tmp_path: Path, postgres_url: str):
    with services.redis() as redis:
        environment = {
            "CARREL_ADMIN_KEY": "",
            "CARREL_REDIS_URL": redis.url,
            "CARREL_DATABASE_URL": postgres_url.replace("+asyncpg", ""),
        }
        server = Server(tmp_path / "data", environment, arguments=["--workers", "4"])
        server.data_dir.mkdir()
        server.start()
        try:
            assert len(re.findall("export CARREL_ADMIN_KEY=", server.log())) == 1
        finally:
            server.stop()


def test_several_processes_without_redis_are_refused(tmp_path: Path):
    server = Server(tmp_path / "data", arguments=["--workers", "2"])
    server.data_dir.mkdir()
    with pytest.raises(AssertionError, match="CARREL_REDIS_URL"):
        server.start()


def until_told(redis_url: str) -> None:
    """Wait until a server that is ready has told where it keeps things: a moment later."""
    with Redis.from_url(redis_url) as redis:
        deadline = time.monotonic() + 20
        while not redis.zcard("carrel:{replicas}:places"):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("shares_rows", [False, True])
def test_a_second_server_that_shares_a_part_is_told_what_is_missing(
    tmp_path: Path, request: pytest.FixtureRequest, shares_rows: bool
):
    with services.redis() as redis:
        environment = {"CARREL_REDIS_URL": redis.url}
        if shares_rows:
            url = request.getfixturevalue("postgres_url")
            environment["CARREL_DATABASE_URL"] = url.replace("+asyncpg", "")
        (tmp_path / "here").mkdir()
        (tmp_path / "there").mkdir()
        with running(tmp_path / "here", environment) as here:
            until_told(redis.url)
            there = Server(tmp_path / "there" / "data", environment)
            there.data_dir.mkdir()
            if shares_rows:
                there.start()
                there.stop()
                assert "finds only the documents that it took in" in there.log()
            else:
                with pytest.raises(AssertionError, match="cannot run with these settings"):
                    there.start()
                assert (
                    "CARREL_DATABASE_URL, CARREL_ORIGINALS__URL, CARREL_QDRANT_URL" in there.log()
                )
            assert str(here.data_dir) in there.log()
            assert here.is_ready()
