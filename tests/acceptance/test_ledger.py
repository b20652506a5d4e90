"""No usage is lost: the ledger against the upstream's own count, through SIGTERM and kill -9."""

import asyncio
import contextlib
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from bench.simulator.behaviour import Behaviour
from bench.simulator.server import Simulator
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running

API = "carrel.serving.api"
TOKENS = 40
PACE = Behaviour(ttft_ms=20, tokens_per_second=200, tokens=TOKENS)
QUESTION = {"question": "How long do refunds take?", "cache": "bypass"}
READERS = 40
Shock = Callable[[Server], Awaitable[None]]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def llm_server(tmp_path: Path, port: int) -> Iterator[Server]:
    environment = {
        "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{port}/v1",
        "CARREL_LLM__MODEL": "small",
        "CARREL_PRICES": '{"small": {"input": 3, "output": 7}}',
    }
    with running(tmp_path, environment) as server:
        yield server


@pytest.fixture
async def upstream(port: int) -> AsyncIterator[Simulator]:
    async with Simulator(PACE, port=port) as simulator:
        yield simulator


@pytest.fixture
async def tenant(llm_server: Server) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        client = await new_tenant(Client(session, llm_server.url, ADMIN_KEY), "acme")
        body = {"text": "Refunds take 30 days after the return.", "document_id": "policy"}
        await client.post("/v1/documents?wait=30", body)
        yield client


@asynccontextmanager
async def load(tenant: Client) -> AsyncIterator[Counter[str]]:
    """Readers that ask again and again, a tenth of the time leaving half-way."""
    seen: Counter[str] = Counter()
    lot = random.Random(7)

    async def read() -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                leaves = lot.random() < 0.1
                seen["left" if leaves else await ask(tenant)] += 1
                if leaves:
                    await leave(tenant)

    readers = [asyncio.create_task(read()) for _ in range(READERS)]
    try:
        yield seen
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


async def ask(tenant: Client) -> str:
    status, body = await tenant.post("/v1/query", {**QUESTION, "stream": False})
    return "answered" if status == 200 and body["finish_reason"] == "stop" else "failed"


async def leave(tenant: Client) -> None:
    headers = {"authorization": f"Bearer {tenant.key}"}
    body = {**QUESTION, "stream": True}
    async with tenant.session.post(f"{tenant.url}/v1/query", json=body, headers=headers) as stream:
        async for line in stream.content:
            if line.startswith(b"event: delta"):
                stream.close()
                return


@dataclass
class Books:
    """What the ledger says, read from SQL itself."""

    finished: list[Any]
    unfinished: list[Any]

    @classmethod
    def of(cls, server: Server) -> "Books":
        with contextlib.closing(sqlite3.connect(server.data_dir / "carrel.db")) as database:
            database.row_factory = sqlite3.Row
            rows = database.execute("SELECT * FROM usage_events").fetchall()
        return cls(
            [row for row in rows if not row["unfinished"]],
            [row for row in rows if row["unfinished"]],
        )

    @property
    def requests(self) -> int:
        return len(self.finished) + len(self.unfinished)


async def until_asked(upstream: Simulator, requests: int) -> None:
    async with asyncio.timeout(60):
        await upstream.stats.until(lambda stats: stats.requests >= requests)


async def terminate(server: Server) -> None:
    assert await asyncio.to_thread(server.stop) == 0


async def kill_the_supervisor(server: Server) -> None:
    await asyncio.to_thread(server.kill)


async def kill_the_api(server: Server) -> None:
    server.kill_child(API)
    await asyncio.to_thread(server.wait_ready)  # the supervisor starts it again


@pytest.mark.parametrize("shock", [terminate, kill_the_supervisor, kill_the_api])
async def test_every_generation_is_in_the_ledger_once(
    llm_server: Server, tenant: Client, upstream: Simulator, shock: Shock
):
    async with load(tenant) as seen:
        await until_asked(upstream, 300)
        await shock(llm_server)
        if shock is kill_the_api:
            await until_asked(upstream, upstream.stats.requests + 100)
    if shock is kill_the_supervisor:
        await asyncio.to_thread(llm_server.start)
    if shock is not terminate:
        await terminate(llm_server)
    books = Books.of(llm_server)
    # A process killed between its note and the upstream's has charged for a prompt unsent.
    assert 0 <= books.requests - upstream.stats.requests <= READERS
    assert upstream.stats.completed >= len(books.finished) >= seen["answered"] > 0
    assert {row["completion_tokens"] for row in books.finished} == {TOKENS}
    prompt = upstream.stats.prompt_tokens // upstream.stats.requests
    assert {row["prompt_tokens"] for row in books.finished} == {prompt}
    for row in (*books.finished, *books.unfinished):
        assert row["cost_micro_usd"] == 3 * row["prompt_tokens"] + 7 * row["completion_tokens"]
    assert list((llm_server.data_dir / "usage").iterdir()) == []


async def test_the_ledger_is_the_upstreams_count_to_the_micro_dollar(
    llm_server: Server, tenant: Client, upstream: Simulator
):
    asked = [ask(tenant) for _ in range(200)]
    await asyncio.gather(*asked)
    assert llm_server.process is not None
    llm_server.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(llm_server.process.wait, 30)
    books, count = Books.of(llm_server), upstream.stats
    assert (count.requests, count.completed, books.requests) == (200, 200, 200)
    cost = sum(row["cost_micro_usd"] for row in books.finished)
    assert cost == 3 * count.prompt_tokens + 7 * count.completion_tokens


async def test_a_killed_generation_is_charged_for_its_prompt_and_what_it_wrote(
    llm_server: Server, tenant: Client, upstream: Simulator
):
    upstream.behaviour = Behaviour(ttft_ms=5, tokens_per_second=50, tokens=500)
    headers = {"authorization": f"Bearer {tenant.key}"}
    body = {**QUESTION, "stream": True}
    async with tenant.session.post(f"{tenant.url}/v1/query", json=body, headers=headers) as stream:
        words = 0
        async for line in stream.content:
            words += line.startswith(b"event: delta")
            if words == 110:  # over two seconds of it
                break
        await kill_the_api(llm_server)
    await terminate(llm_server)
    [row] = Books.of(llm_server).unfinished
    assert row["prompt_tokens"] > 0
    assert row["completion_tokens"] >= 50
    assert row["route"] == "/v1/query"
