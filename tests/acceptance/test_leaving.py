"""A server that stops, or is renewed, cuts nobody's answer without a word."""

import asyncio
import json
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from bench.simulator.behaviour import Behaviour
from bench.simulator.server import Simulator
from tests import services
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running

QUESTION = "How long do refunds take?"
TOKENS = 40
Starts = Callable[..., AbstractContextManager[Server]]


@dataclass
class Reading:
    """A streamed answer, as far as it came. `broken`: it ended before its end."""

    raw: bytes = b""
    broken: str = ""
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Names and data of the events."""
        found: list[tuple[str, Any]] = []
        for block in self.raw.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] != ":")
            if "data" in fields:
                data = fields["data"]
                parsed = data if data == "[DONE]" else json.loads(data)
                found.append((fields.get("event", ""), parsed))
        return found


@pytest.fixture
def upstream_port() -> int:
    return free_port()


@pytest.fixture
def starts(tmp_path: Path, upstream_port: int) -> Starts:
    @contextmanager
    def start(workers: int, **drain: str) -> Iterator[Server]:
        with services.redis() as redis:
            environment = {
                "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
                "CARREL_LLM__MODEL": "small",
                "CARREL_REDIS_URL": redis.url,
                "CARREL_REDIS_TIMEOUT_SECONDS": "5",
                **{f"CARREL_DRAIN__{name}": value for name, value in drain.items()},
            }
            with running(tmp_path, environment, arguments=["--workers", str(workers)]) as server:
                yield server

    return start


@pytest.fixture
async def upstream(upstream_port: int) -> AsyncIterator[Simulator]:
    behaviour = Behaviour(ttft_ms=10, tokens_per_second=20, tokens=TOKENS)
    async with Simulator(behaviour, port=upstream_port) as simulator:
        yield simulator


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as opened:
        yield opened


async def tenant_of(server: Server, session: aiohttp.ClientSession) -> Client:
    client = await new_tenant(Client(session, server.url, ADMIN_KEY), "acme")
    await client.post("/v1/documents?wait=30", {"text": "Refunds take 30 days after the return."})
    return client


async def read(client: Client, path: str, body: dict[str, Any], reading: Reading) -> Reading:
    headers = {"authorization": f"Bearer {client.key}"}
    sent = {**body, "stream": True, "cache": "bypass"}
    try:
        async with client.session.post(client.url + path, json=sent, headers=headers) as reply:
            assert reply.status == 200, await reply.text()
            async for line in reply.content:
                reading.raw += line
                reading.begun.set()
    except aiohttp.ClientError as error:
        reading.broken = repr(error)
    return reading


def begin(client: Client, number: int) -> list[tuple[Reading, "asyncio.Task[Reading]"]]:
    """Streamed answers under way: every other one in OpenAI's shape."""
    bodies = [
        ("/v1/query", {"question": f"{QUESTION} {i}?"})
        if i % 2
        else (
            "/v1/chat/completions",
            {"model": "small", "messages": [{"role": "user", "content": f"{QUESTION} {i}?"}]},
        )
        for i in range(number)
    ]
    readings = [Reading() for _ in bodies]
    return [
        (reading, asyncio.create_task(read(client, path, body, reading)))
        for reading, (path, body) in zip(readings, bodies, strict=True)
    ]


async def ends_with_a_word(
    server: Server, streams: list[tuple[Reading, "asyncio.Task[Reading]"]]
) -> None:
    """See that the server stops, and that no stream was cut without an error that says so."""
    for _, task in streams:
        reading = await task
        assert not reading.broken
        assert '"code":"unavailable"' in reading.raw.decode()
    assert server.process
    assert await asyncio.to_thread(server.process.wait, 30) == 0


async def readiness(server: Server) -> int:
    """The status of /readyz; 0: no connection is taken any more."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
        line = await reader.readline()
        writer.close()
        return int(line.split()[1]) if line else 0
    except OSError:
        return 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_streams_that_are_under_way_at_sigterm_come_to_their_end(
    starts: Starts, session: aiohttp.ClientSession, upstream: Simulator, workers: int
):
    with starts(workers, NOTICE_SECONDS="1") as server:
        client = await tenant_of(server, session)
        streams = begin(client, 8)
        for reading, _ in streams:
            await reading.begun.wait()
        assert server.process
        server.process.send_signal(signal.SIGTERM)
        seen: list[int] = []
        async with asyncio.timeout(30):
            while not seen or seen[-1]:
                seen.append(await readiness(server))
                await asyncio.sleep(0.02)
        assert set(seen[1:-1]) == {503}, "what is served is said to be gone, until it is"
        for _, task in streams:
            reading = await task
            assert not reading.broken
            ends = [data for name, data in reading.events if name == "done" or data == "[DONE]"]
            assert len(ends) == 1
            assert "error" not in reading.raw.decode()
        assert await asyncio.to_thread(server.process.wait, 30) == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_is_not_done_in_time_ends_with_an_error_that_says_how_to_go_on(
    starts: Starts, session: aiohttp.ClientSession, upstream: Simulator, workers: int
):
    upstream.behaviour = Behaviour(ttft_ms=10, tokens_per_second=2, tokens=200)
    with starts(workers, GRACE_SECONDS="1") as server:
        client = await tenant_of(server, session)
        streams = begin(client, 8)
        whole = asyncio.create_task(
            client.post("/v1/query", {"question": "When are refunds made?"})
        )
        for reading, _ in streams:
            await reading.begun.wait()
        async with asyncio.timeout(30):
            while upstream.stats.requests < 9:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        assert server.process
        server.process.send_signal(signal.SIGTERM)
        for i, (_, task) in enumerate(streams):
            reading = await task
            assert not reading.broken
            events = reading.events
            if i % 2:
                name, said = events[-1]
                assert name == "error"
                assert "GET /v1/query/{id}/events" in said["error"]["message"]
                assert "Last-Event-ID" in said["error"]["message"]
            else:
                (_, said), (_, end) = events[-2:]
                assert end == "[DONE]"
            assert said["error"]["code"] == "unavailable"
            assert said["error"]["type"] == "server_error"
            assert said["error"]["request_id"].startswith("req_")
        status, said = await whole
        assert (status, said["error"]["code"]) == (503, "unavailable")
        assert await asyncio.to_thread(server.process.wait, 30) == 0
        assert "Traceback" not in server.log()


async def test_a_second_signal_ends_the_grace(
    starts: Starts, session: aiohttp.ClientSession, upstream: Simulator
):
    upstream.behaviour = Behaviour(ttft_ms=10, tokens_per_second=2, tokens=2_000)
    with starts(2, GRACE_SECONDS="600", NOTICE_SECONDS="600") as server:
        streams = begin(await tenant_of(server, session), 4)
        for reading, _ in streams:
            await reading.begun.wait()
        assert server.process
        server.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            while await readiness(server) != 503:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        server.process.send_signal(signal.SIGINT)
        await ends_with_a_word(server, streams)


async def test_two_signals_that_come_at_once_are_two(
    starts: Starts, session: aiohttp.ClientSession, upstream: Simulator
):
    """A process that had no time to see the first one is told to hurry all the same."""
    upstream.behaviour = Behaviour(ttft_ms=10, tokens_per_second=2, tokens=2_000)
    with starts(1, GRACE_SECONDS="600", NOTICE_SECONDS="600") as server:
        streams = begin(await tenant_of(server, session), 2)
        for reading, _ in streams:
            await reading.begun.wait()
        assert server.process
        (api,) = server.apis()
        os.kill(api, signal.SIGSTOP)
        for number in (signal.SIGTERM, signal.SIGINT):
            server.process.send_signal(number)
            await asyncio.sleep(0.5)  # the supervisor passes it on
        os.kill(api, signal.SIGCONT)
        await ends_with_a_word(server, streams)


async def test_a_renewal_under_load_refuses_nobody_and_cuts_nothing(
    starts: Starts, session: aiohttp.ClientSession, upstream: Simulator
):
    with starts(2) as server:
        client = await tenant_of(server, session)
        before = server.apis()
        outcomes: Counter[Any] = Counter()
        streamed: list[Reading] = []
        renewed = asyncio.Event()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as lasting:

            async def ask(session: aiohttp.ClientSession) -> None:
                own = Client(session, client.url, client.key)
                while not renewed.is_set():
                    try:
                        status, _ = await own.post("/v1/query", {"question": QUESTION})
                        ready, _ = await own.get("/readyz")
                        outcomes[status, ready] += 1
                    except aiohttp.ClientError as error:
                        outcomes[repr(error)] += 1

            async def follow() -> None:
                while not renewed.is_set():
                    [(_, task)] = begin(client, 1)
                    streamed.append(await task)

            asking = [asyncio.create_task(ask(lasting)) for _ in range(8)]
            asking += [asyncio.create_task(ask(session)) for _ in range(8)]
            asking += [asyncio.create_task(follow()) for _ in range(6)]
            for _ in range(2):
                old = server.apis()
                assert server.process
                server.process.send_signal(signal.SIGHUP)
                async with asyncio.timeout(60):
                    while len(server.apis()) != 2 or server.apis() & old:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
            renewed.set()
            await asyncio.gather(*asking)
        assert not server.apis() & before
        assert set(outcomes) == {(200, 200)}
        assert len(streamed) > 6
        assert not [each.broken for each in streamed if each.broken]
        assert not [each for each in streamed if each.events[-1] != ("", "[DONE]")]
        assert not [each for each in streamed if b'"error"' in each.raw]
        assert len(re.findall("renewed the API", server.log(whole=True))) == 4


async def test_a_process_that_cannot_start_again_leaves_the_old_ones_to_serve(
    tmp_path: Path, session: aiohttp.ClientSession
):
    with running(tmp_path) as server:
        client = await tenant_of(server, session)
        before = server.apis()
        # The child reads this file, as the supervisor did, and fails.
        (server.data_dir.parent / ".env").write_text("CARREL_LLM__BASE_URL=nonsense\n")
        assert server.process
        server.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(60):
            while "did not get ready" not in server.log():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        assert server.apis() == before
        assert (await client.post("/v1/search", {"query": QUESTION}))[0] == 200
        (server.data_dir.parent / ".env").unlink()
