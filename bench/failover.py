"""An API process is killed, then both are renewed, while readers stream through the gateway.

`carrel serve --workers 2` with a Redis, behind the nginx of deploy/ with TLS; a simulated model.
Each reader asks, streams, and reads on where its stream breaks, as docs/http-api.md says.
"""

import asyncio
import os
import signal
import ssl
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
from bench.measure import Figure, Run
from bench.simulator.behaviour import Behaviour
from bench.simulator.server import Simulator
from tests import services
from tests.acceptance.server import ADMIN_KEY, Client, Server, new_tenant, running
from tests.acceptance.streams import Received, Stream
from tests.contract.certificates import Authority

READERS = 200
SECONDS = 8.0  # before and after what happens
TRIES = 20
PAUSE_SECONDS = 0.5
DOCUMENT = {"text": "Refunds take 30 days after the return.", "document_id": "policy"}
BEHAVIOUR = Behaviour(ttft_ms=50, tokens_per_second=40, tokens=120)
NOBODYS_FAULT = (aiohttp.ClientError, TimeoutError, ConnectionError)


@dataclass
class Outcome:
    """What became of the questions of one phase."""

    whole: int = 0
    broken: int = 0  # streams that ended before their answer did
    read_on: int = 0  # of those, answers that were read to their end all the same
    refused: list[str] = field(default_factory=list[str])  # questions without any answer
    waits: list[float] = field(default_factory=list[float])  # from a break to the end, seconds


async def measure(run: Run) -> list[Figure]:
    """Questions that failed, streams that were read on, and how long it took."""
    readers = READERS // 4 if run.quick else READERS
    async with Simulator(BEHAVIOUR) as model:
        with services.redis() as redis:
            environment = {
                "CARREL_LLM__BASE_URL": model.base_url,
                "CARREL_LLM__MODEL": "small",
                "CARREL_REDIS_URL": redis.url,
                "CARREL_PRICES": '{"small": {"input": 1, "output": 1}}',
            }
            with running(run.folder, environment, arguments=["--workers", "2"]) as server:
                return await _behind_a_gateway(run, server, readers)


async def _behind_a_gateway(run: Run, server: Server, readers: int) -> list[Figure]:
    authority = Authority.made()
    key, certificate = authority.certify("127.0.0.1")
    many = {"GATEWAY_CONNECTIONS_PER_CLIENT": "4096"}
    with services.nginx(
        [f"127.0.0.1:{server.port}"], certificate=certificate, key=key, variables=many
    ) as gateway:
        async with aiohttp.ClientSession() as direct:
            tenant = await new_tenant(Client(direct, server.url, ADMIN_KEY), "acme")
            status, _ = await tenant.post("/v1/documents?wait=30", DOCUMENT)
            assert status == 202
            tls = ssl.create_default_context(cadata=authority.pem.decode())
            connector = aiohttp.TCPConnector(ssl=tls, limit=0)
            async with aiohttp.ClientSession(connector=connector) as session:
                client = Client(session, gateway.url, tenant.key)
                run.say(f"{readers} readers; one of two processes is killed")
                killed, recovery = await _phase(client, readers, lambda: _kill(server))
                run.say("both processes are renewed")
                renewed, renewal = await _phase(client, readers, lambda: _renew(server))
    return [
        *_figures("killed", killed, readers),
        Figure("killed: until two processes serve again", recovery, "s"),
        *_figures("renewed", renewed, readers),
        Figure("renewed: both, one after the other", renewal, "s"),
    ]


async def _phase(
    client: Client, readers: int, happens: Callable[[], Awaitable[None]]
) -> tuple[Outcome, float]:
    outcome, over = Outcome(), asyncio.Event()
    reading = [asyncio.create_task(_read(client, n, outcome, over)) for n in range(readers)]
    await asyncio.sleep(SECONDS)
    began = time.monotonic()
    await happens()
    took = time.monotonic() - began
    await asyncio.sleep(SECONDS)
    over.set()
    await asyncio.gather(*reading)
    return outcome, took


async def _read(client: Client, reader: int, outcome: Outcome, over: asyncio.Event) -> None:
    number = 0
    while not over.is_set():
        number += 1
        received, broke_at = Received(), 0.0
        question = f"How long do refunds take? {reader} {number} {broke_at}"
        for attempt in range(TRIES):
            try:
                stream = await (
                    Stream.resume(client, received.answer_id, received.last_event_id)
                    if received.answer_id
                    else Stream.ask(client, question, cache="bypass")
                )
                if stream.response.status != 200:
                    raise aiohttp.ClientError(f"HTTP {stream.response.status}")
                await stream.read(received)
                stream.close()
            except NOBODYS_FAULT as error:
                if not received.answer_id:
                    outcome.refused.append(str(error) or type(error).__name__)
                    break
            if received.done is not None:
                assert received.done["answer"] == received.text
                outcome.whole += 1
                if broke_at:
                    outcome.read_on += 1
                    outcome.waits.append(time.monotonic() - broke_at)
                break
            received.error = None
            if not broke_at:
                outcome.broken += 1
                broke_at = time.monotonic()
            await asyncio.sleep(PAUSE_SECONDS if attempt else 0.1)


async def _kill(server: Server) -> None:
    before = server.apis()
    os.kill(min(before), signal.SIGKILL)
    async with asyncio.timeout(60):
        while len(server.apis() - {min(before)}) < 2 or not server.is_ready():  # noqa: ASYNC110 - processes
            await asyncio.sleep(0.05)


async def _renew(server: Server) -> None:
    before = server.apis()
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(120):
        while server.apis() & before or len(server.apis()) < 2:  # noqa: ASYNC110 - processes
            await asyncio.sleep(0.05)


def _figures(name: str, outcome: Outcome, readers: int) -> list[Figure]:
    waits = outcome.waits
    note = f"p50 {statistics.median(waits):.1f} s, longest {max(waits):.1f} s" if waits else ""
    reasons = ", ".join(sorted(set(outcome.refused)))[:200]
    return [
        Figure(f"{name}: whole answers", outcome.whole, "", f"{readers} readers"),
        Figure(f"{name}: questions without an answer", len(outcome.refused), "", reasons),
        Figure(f"{name}: streams cut", outcome.broken, ""),
        Figure(f"{name}: of those, read on to the end", outcome.read_on, "", note),
    ]
