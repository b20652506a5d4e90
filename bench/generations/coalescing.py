"""What it gains that text which is there already goes out as one event: CPU by token, on and off.

Each stream is a generation of its own that a model writes at 50 tokens a second, framed as
the server does and written to a socket. CPU is that of the event loop's thread. On and off
take turns in the same process, so that a busy machine disturbs both alike. The loop has time for
few streams and none for many; readers in another replica get what was written in 20 ms at once.
"""

import asyncio
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Any, cast

from bench.measure import Figure, Run
from tests import services

from carrel.answering.events import Placed
from carrel.answering.log import Merged, encoded, event_of
from carrel.api.native.answer_stream import AnswerStream
from carrel.domain.ids import AnswerId, TenantId
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
Open = Callable[[Generations, str, Start], Awaitable[Reader]]


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
    for name, streams, elsewhere in (
        ("64 streams", 64, False),
        ("512 streams", 512, False),
        ("2048 streams", 2_048, False),
        ("256 streams, written elsewhere", 256, True),
    ):
        costs: dict[bool, list[float]] = {True: [], False: []}
        sizes: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(2 * TURNS):
            merging = turn % 2 == 0
            say(f"{name}, {'on' if merging else 'off'}")
            cost, size = await _turn(url if elsewhere else None, streams, tokens, merging=merging)
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
    url: str | None, streams: int, tokens: int, *, merging: bool
) -> tuple[float, float]:
    """CPU by token, in microseconds, and tokens by event."""
    async with AsyncExitStack() as stack:
        if url is None:
            writing = reading = MemoryGenerations(kept_bytes=0)
        else:
            writing = await stack.enter_async_context(_redis(url))
            reading = await stack.enter_async_context(_redis(url))
        sink = stack.enter_context(_Sink())
        due = asyncio.get_running_loop().time() + 1
        written: list[Reader] = []
        read: list[Reader] = []
        for n in range(streams):
            leader = await writing.join(TENANT, f"key {n}", _model(n, tokens, due))
            written.append(leader)
            if reading is not writing:
                read.append(await reading.follow(TENANT, leader.generation_id))
        before = time.thread_time()
        events = await asyncio.gather(
            *(_sent(each, sink, merging=merging) for each in (read or written))
        )
        cost = time.thread_time() - before
        for each in (*written, *read):
            each.close()
        await writing.close()
    return cost * 1e6 / (streams * tokens), streams * tokens / sum(events)


def _model(number: int, tokens: int, due: float) -> Start:
    async def write(log: Writer) -> None:
        loop = asyncio.get_running_loop()
        at = due + (number % 64) / 64 / TOKENS_A_SECOND  # not all at the same instant
        for n in range(tokens):
            at += 1 / TOKENS_A_SECOND
            await asyncio.sleep(max(0.0, at - loop.time()))
            await log.write(encoded(Delta(f"token {n} ")))

    return write


async def _sent(reader: Reader, sink: "_Sink", *, merging: bool) -> int:
    """How many events the reader's client was sent."""

    async def events() -> AsyncGenerator[Placed]:
        items: AsyncIterable[Item] = Merged(reader) if merging else reader
        async for item in items:
            yield Placed(event_of(item), item.offset)

    stream = AnswerStream(AnswerId("ans_bench"), events(), cast("Any", None))
    sent = 0
    async for frame in stream.frames():
        sink.write(frame)
        sent += 1
    return sent


class _Sink:
    """A socket whose other end is read by a thread."""

    def __enter__(self) -> "_Sink":
        self._near, self._far = socket.socketpair()
        self._thread = threading.Thread(target=self._drain)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._near.close()
        self._thread.join()
        self._far.close()

    def write(self, data: bytes) -> None:
        self._near.sendall(data)

    def _drain(self) -> None:
        while self._far.recv(1_000_000):
            pass


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
