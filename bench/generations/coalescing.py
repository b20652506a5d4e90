"""What it gains that text which is there already goes out as one event: CPU by token, on and off.

Each stream is a generation of its own that a model writes at 50 tokens a second, framed and sent
as the server does, by uvicorn over loopback. CPU is that of the event loop's thread. On and off
take turns in the same process, so that a busy machine disturbs both alike. Readers in another
replica get at once what was written in 20 ms, and who resumes gets all that there is.
"""

import asyncio
import selectors
import socket
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from types import SimpleNamespace
from typing import Any, cast

import uvicorn
from bench.measure import Figure, Run
from tests import services

from carrel.answering.events import Placed
from carrel.answering.log import Merged, encoded, event_of
from carrel.api.event_stream import EventStream
from carrel.api.native.answer_stream import AnswerStream
from carrel.domain.ids import AnswerId, GenerationId, TenantId
from carrel.generation.generator import Delta
from carrel.generations.events import Item
from carrel.generations.flight import Start, Writer
from carrel.generations.generations import Generations
from carrel.generations.memory import MemoryGenerations
from carrel.generations.reader import Reader
from carrel.generations.redis import RedisGenerations
from carrel.redis.client import RedisClient

TENANT = TenantId("ten_bench")
TOKENS_A_SECOND = 50
TURNS = 3
CASES = (
    ("64 streams", 64, "here"),
    ("512 streams", 512, "here"),
    ("256 streams, written elsewhere", 256, "elsewhere"),
    ("256 streams, resumed at the end", 256, "resumed"),
)


async def measure(run: Run) -> list[Figure]:
    """Microseconds of CPU by token with and without, their ratio, and tokens in an event."""
    tokens = 50 if run.quick else 200
    with services.redis() as service:
        return await asyncio.to_thread(_on_the_servers_loop, service.url, tokens, run.say)


def _on_the_servers_loop(url: str, tokens: int, say: Callable[[str], None]) -> list[Figure]:
    if sys.platform == "win32":
        return asyncio.run(_measured(url, tokens, say))
    import uvloop

    return uvloop.run(_measured(url, tokens, say))


async def _measured(url: str, tokens: int, say: Callable[[str], None]) -> list[Figure]:
    figures: list[Figure] = []
    for name, streams, kind in CASES:
        costs: dict[bool, list[float]] = {True: [], False: []}
        sizes: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(2 * TURNS):
            merging = turn % 2 == 0
            say(f"{name}, {'on' if merging else 'off'}")
            cost, size = await _turn(url, streams, tokens, kind, merging=merging)
            costs[merging].append(cost)
            sizes[merging].append(size)
        on, off = median(costs[True]), median(costs[False])
        figures += [
            Figure(f"{name}: off", off, "µs a token"),
            Figure(f"{name}: on", on, "µs a token"),
            Figure(f"{name}: CPU saved", 100 * (1 - on / off), "%"),
            Figure(f"{name}: tokens in an event", median(sizes[True]), ""),
        ]
    return figures


async def _turn(
    url: str, streams: int, tokens: int, kind: str, *, merging: bool
) -> tuple[float, float]:
    """CPU by token, in microseconds, and tokens by event."""
    async with AsyncExitStack() as stack:
        writing: Generations
        if kind == "elsewhere":
            writing = await stack.enter_async_context(_redis(url))
            reading = await stack.enter_async_context(_redis(url))
        else:
            writing = reading = MemoryGenerations()
        go = None if kind == "resumed" else asyncio.Event()
        held = [
            await writing.join(TENANT, f"key {n}", _model(n, go, tokens)) for n in range(streams)
        ]
        if kind == "resumed":
            await asyncio.gather(*(each.over() for each in held))
        app = _App(reading, [each.generation_id for each in held], merging=merging)
        port = await stack.enter_async_context(_served(app))
        before = time.thread_time()
        reading_all = asyncio.create_task(asyncio.to_thread(_read_all, port, streams))
        if go:
            await app.all_read.wait()
            before = time.thread_time()
            go.set()
        await reading_all
        cost = time.thread_time() - before
        for each in held:
            each.close()
        await writing.close()
    return cost * 1e6 / (streams * tokens), streams * tokens / app.sent


# Of which errors name the id.
_REQUEST: Any = SimpleNamespace(state=SimpleNamespace(request_id="req_bench"))


class _App:
    """An application whose path names the generation that it streams."""

    def __init__(
        self, generations: Generations, ids: Sequence[GenerationId], *, merging: bool
    ) -> None:
        self._generations = generations
        self._ids = ids
        self._merging = merging
        self.sent = 0
        self.all_read = asyncio.Event()
        self._begun = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await EventStream(self._frames(self._ids[int(scope["path"][1:])]))(scope, receive, send)

    async def _frames(self, generation_id: GenerationId) -> AsyncGenerator[bytes]:
        with await self._generations.follow(TENANT, generation_id) as reader:
            self._begun += 1
            if self._begun == len(self._ids):
                self.all_read.set()
            stream = AnswerStream(AnswerId("ans_bench"), self._events(reader), _REQUEST)
            async for frame in stream.frames():
                self.sent += 1
                yield frame

    async def _events(self, reader: Reader) -> AsyncGenerator[Placed]:
        items: AsyncIterable[Item] = Merged(reader) if self._merging else reader
        async for item in items:
            yield Placed(event_of(item), item.offset)


@asynccontextmanager
async def _served(app: _App) -> AsyncGenerator[int]:
    """The port of a server as Carrel runs it, in this loop."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(4_096)
        config = uvicorn.Config(cast("Any", app), lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


def _read_all(port: int, streams: int) -> None:
    """Read each stream to its end, in this thread."""
    with selectors.DefaultSelector() as selector:
        for n in range(streams):
            connection = socket.create_connection(("127.0.0.1", port))
            request = f"GET /{n} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            selector.register(connection, selectors.EVENT_READ)
        left = streams
        while left:
            for key, _ in selector.select():
                connection = cast("socket.socket", key.fileobj)
                if not connection.recv(262_144):
                    selector.unregister(connection)
                    connection.close()
                    left -= 1


def _model(number: int, go: asyncio.Event | None, tokens: int) -> Start:
    """It begins at *go*, and without writes all at once."""

    async def write(log: Writer) -> None:
        loop = asyncio.get_running_loop()
        if go:
            await go.wait()
        at = loop.time() + (number % 64) / 64 / TOKENS_A_SECOND  # not all at the same instant
        for n in range(tokens):
            at += 1 / TOKENS_A_SECOND
            if go:
                await asyncio.sleep(max(0.0, at - loop.time()))
            await log.write(encoded(Delta(f"token {n} ")))

    return write


@asynccontextmanager
async def _redis(url: str) -> AsyncGenerator[RedisGenerations]:
    client, background = (RedisClient(url, budget_seconds=10) for _ in range(2))
    generations = RedisGenerations(client, background, kept_seconds=10)
    exchange = asyncio.create_task(generations.run())
    try:
        yield generations
    finally:
        exchange.cancel()
        await asyncio.gather(exchange, return_exceptions=True)
        await generations.close()
        for each in (client, background):
            await each.close()
