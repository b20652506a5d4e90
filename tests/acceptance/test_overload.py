"""More questions than there are places: who is refused, how, and who never is."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from bench.simulator import Behaviour, Simulator
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running

PLACES = 10
WRITING = Behaviour(ttft_ms=5, tokens_per_second=5, tokens=400)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Server]:
    environment = {
        "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{port}/v1",
        "CARREL_LLM__MODEL": "small",
        "CARREL_OVERLOAD__MAX_STREAMS": str(PLACES),
    }
    with running(tmp_path_factory.mktemp("overload"), environment) as server:
        yield server


@pytest.fixture
async def upstream(port: int) -> AsyncIterator[Simulator]:
    async with Simulator(WRITING, port=port) as simulator:
        yield simulator


@pytest.fixture
async def tenants(server: Server, upstream: Simulator) -> AsyncIterator[tuple[Client, Client]]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        admin = Client(session, server.url, ADMIN_KEY)
        greedy, quiet = await new_tenant(admin, "greedy"), await new_tenant(admin, "quiet")
        for client in (greedy, quiet):
            body = {"text": "Refunds take 30 days after the return.", "document_id": "policy"}
            await client.post("/v1/documents?wait=30", body)
        yield greedy, quiet
    async with asyncio.timeout(10):
        await upstream.stats.until(lambda stats: stats.open == 0)


class Readers:
    """Streams that are read until the end of the block."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, client: Client, question: str) -> int:
        """The status, once the answer has begun."""
        status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._tasks.append(asyncio.create_task(self._read(client, question, status)))
        return await status

    async def _read(self, client: Client, question: str, status: asyncio.Future[int]) -> None:
        headers = {"authorization": f"Bearer {client.key}"}
        body = {"question": question, "stream": True}
        async with client.session.post(
            f"{client.url}/v1/query", json=body, headers=headers
        ) as response:
            async for _ in response.content:
                if not status.done():
                    status.set_result(response.status)
        if not status.done():
            status.set_result(response.status)

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def readers() -> AsyncIterator[Readers]:
    made = Readers()
    yield made
    await made.leave()


def question(number: int) -> str:
    return f"How long do refunds take in case {number}?"


async def test_one_more_than_there_are_places_is_refused_before_it_is_searched_for(
    tenants: tuple[Client, Client], upstream: Simulator, readers: Readers
):
    greedy, quiet = tenants
    statuses = [await readers.ask(greedy, question(n)) for n in range(PLACES + 5)]
    let_in = statuses.count(200)
    assert PLACES * 0.7 <= let_in < PLACES
    assert statuses.count(503) == PLACES + 5 - let_in
    before = await _searches(greedy)
    status, headers, body = await _refused(greedy)
    assert (status, body["error"]["code"]) == (503, "unavailable")
    assert 1 <= int(headers["retry-after"]) <= 3
    assert await _searches(greedy) == before
    assert upstream.stats.requests == let_in

    assert await readers.ask(quiet, question(1)) == 200  # there is a place for somebody else


async def test_cached_answers_and_those_being_read_are_never_refused(
    tenants: tuple[Client, Client], upstream: Simulator, readers: Readers
):
    greedy, _ = tenants
    upstream.behaviour = Behaviour(ttft_ms=5, tokens_per_second=0, tokens=20)
    kept = {"question": "How many days do refunds take?"}
    await greedy.post("/v1/query", kept)
    upstream.behaviour = WRITING
    statuses = [await readers.ask(greedy, question(n)) for n in range(PLACES)]
    assert 503 in statuses
    for _ in range(20):
        status, answer = await greedy.post("/v1/query", kept)
        assert (status, answer["cache"]["status"]) == (200, "exact")
    assert [await readers.ask(greedy, question(0)) for _ in range(20)] == [200] * 20

    # The documents have changed, and the evidence has not: it is searched for, and given again.
    other = {"text": "Whales live in the sea.", "document_id": "whales", "groups": ["sailors"]}
    await greedy.post("/v1/documents?wait=30", other)
    status, answer = await greedy.post("/v1/query", kept)
    assert (status, answer["cache"]["status"]) == (200, "exact")


async def test_places_are_free_again_when_their_readers_leave(
    tenants: tuple[Client, Client], upstream: Simulator, readers: Readers
):
    greedy, _ = tenants
    statuses = [await readers.ask(greedy, question(n)) for n in range(PLACES)]
    assert 503 in statuses
    await readers.leave()
    async with asyncio.timeout(10):
        await upstream.stats.until(lambda stats: stats.open == 0)
    assert await readers.ask(greedy, question(99)) == 200


async def _searches(client: Client) -> float:
    """How many questions were searched for, by the server's own count."""
    _, text = await client.get("/metrics")
    name = 'carrel_cache_lookups_total{kind="retrieval"'
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


async def _refused(client: Client) -> tuple[int, Any, Any]:
    headers = {"authorization": f"Bearer {client.key}"}
    started = time.perf_counter()
    async with client.session.post(
        f"{client.url}/v1/query", json={"question": question(1000)}, headers=headers
    ) as response:
        assert time.perf_counter() - started < 5
        return response.status, response.headers, await response.json()
