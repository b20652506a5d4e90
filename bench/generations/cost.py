"""What a generation's log costs, by token: its leader, its readers here and elsewhere, and Redis.

Each generation writes 50 tokens a second, as a model does, on the server's kind of event
loop. Costs are CPU time of this process, and of them is subtracted what the same tasks
take without a log: so a busy machine disturbs them little. Readers elsewhere are a second
replica in the same process, with connections of its own.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.measure import Figure, Run
from bench.micro.latency import quantile_ms
from tests import services

from carrel.domain.ids import TenantId
from carrel.generations.flight import Start, Writer
from carrel.generations.generations import Generations
from carrel.generations.memory import MemoryGenerations
from carrel.generations.reader import Reader
from carrel.generations.redis import RedisGenerations
from carrel.redis.client import RedisClient

TENANT = TenantId("ten_bench")
TOKENS_A_SECOND = 50
TOKEN = b'{"type":"delta","text":" forty characters or so of an event"}'
CROWDS = (1, 256)
FOLLOWERS = 256


@dataclass(slots=True)
class _Pace:
    """Tokens written at a model's pace; how long each write took, and when it was made."""

    tokens: int
    write_seconds: list[float] = field(default_factory=list[float])
    written_at: dict[tuple[int, int], float] = field(default_factory=dict[tuple[int, int], float])

    async def lead(self, number: int, write: Callable[[bytes], Awaitable[object]]) -> None:
        loop = asyncio.get_running_loop()
        # Not all at the same instant, but spread over a token's time.
        due = loop.time() + (number % 64) / 64 / TOKENS_A_SECOND
        for n in range(1, self.tokens + 1):
            due += 1 / TOKENS_A_SECOND
            await asyncio.sleep(max(0.0, due - loop.time()))
            started = time.perf_counter()
            await write(TOKEN)
            self.write_seconds.append(time.perf_counter() - started)
            self.written_at[number, n] = started


async def measure(run: Run) -> list[Figure]:
    """Microseconds of CPU by token, and milliseconds until another replica reads it."""
    tokens = 50 if run.quick else 500
    with services.redis() as service:
        return await asyncio.to_thread(_on_the_servers_loop, service.url, tokens, run.say)


def _on_the_servers_loop(url: str, tokens: int, say: Callable[[str], None]) -> list[Figure]:
    if sys.platform == "win32":
        return asyncio.run(_measured(url, tokens, say))
    import uvloop

    return uvloop.run(_measured(url, tokens, say))


async def _measured(url: str, tokens: int, say: Callable[[str], None]) -> list[Figure]:
    figures: list[Figure] = []
    for crowd in CROWDS:
        at_once = f"{crowd} at once"
        say(f"without a log, {at_once}")
        bare = await _bare(crowd, tokens)
        for name, opened in (("memory", _memory()), ("Redis", _redis(url))):
            say(f"{name}, {at_once}")
            async with opened as generations:
                figures += await _leaders(f"{name}, {at_once}", generations, crowd, tokens, bare)
        say(f"followed elsewhere, {at_once}")
        figures += await _followed_elsewhere(url, crowd, tokens, bare)
    for name, opened in (("memory", _memory()), ("Redis", _redis(url))):
        say(f"{name}, {FOLLOWERS} readers")
        async with opened as generations:
            figures.append(await _follower(name, generations, tokens))
    return figures


async def _bare(crowd: int, tokens: int) -> float:
    """CPU seconds of the same leaders, each read through a queue by one task."""

    async def one(number: int) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        writing = asyncio.create_task(_Pace(tokens).lead(number, queue.put))
        for _ in range(tokens):
            await queue.get()
        await writing

    cpu = time.process_time()
    await asyncio.gather(*map(one, range(crowd)))
    return time.process_time() - cpu


async def _leaders(
    name: str, generations: Generations, crowd: int, tokens: int, bare: float
) -> list[Figure]:
    pace = _Pace(tokens)
    cpu = time.process_time()
    readers = [await _join(generations, n, pace) for n in range(crowd)]
    await asyncio.gather(*map(_drain, readers))
    cpu = time.process_time() - cpu - bare
    note = f"{crowd * tokens:,} tokens"
    return [
        Figure(f"leader, {name}, CPU by token", cpu / crowd / tokens * 1e6, "µs", note),
        *(
            Figure(f"write, {name}, {label}", quantile_ms(pace.write_seconds, q) * 1e3, "µs", note)
            for label, q in (("p50", 0.5), ("p99", 0.99))
        ),
    ]


async def _followed_elsewhere(url: str, crowd: int, tokens: int, bare: float) -> list[Figure]:
    pace = _Pace(tokens)
    delays: list[float] = []

    async def follow(number: int, reader: Reader) -> None:
        async for item in reader:
            delay = time.perf_counter() - pace.written_at[number, item.offset.number]
            delays.append(delay)

    async with _redis(url) as here, _redis(url) as there, _client(url) as asking:
        before = await _redis_seconds(asking)
        cpu = time.process_time()
        led = [await _join(here, n, pace) for n in range(crowd)]
        followed = [await _join(there, n, pace) for n in range(crowd)]
        await asyncio.gather(*map(_drain, led), *map(follow, range(crowd), followed))
        cpu = time.process_time() - cpu - bare
        spent = await _redis_seconds(asking) - before
    name = f"followed elsewhere, {crowd} at once"
    note = f"{crowd * tokens:,} tokens"
    by_token = 1e6 / crowd / tokens
    return [
        Figure(f"{name}, CPU by token", cpu * by_token, "µs", note + ", both replicas"),
        Figure(f"{name}, Redis by token", spent * by_token, "µs", "by its own count"),
        Figure(f"{name}, delay p50", quantile_ms(delays, 0.5), "ms", "from write to read"),
        Figure(f"{name}, delay p99", quantile_ms(delays, 0.99), "ms", "from write to read"),
    ]


async def _follower(name: str, generations: Generations, tokens: int) -> Figure:
    """What one more reader in the process costs, by token."""
    took: list[float] = []
    for followers in (1, FOLLOWERS + 1):
        pace = _Pace(tokens)
        cpu = time.process_time()
        readers = [await _join(generations, 0, pace) for _ in range(followers)]
        await asyncio.gather(*map(_drain, readers))
        took.append(time.process_time() - cpu)
    each = (took[1] - took[0]) / FOLLOWERS / tokens * 1e6
    note = f"{FOLLOWERS} readers of one generation"
    return Figure(f"one more reader here, {name}, CPU by token", each, "µs", note)


async def _join(generations: Generations, number: int, pace: _Pace) -> Reader:
    return await generations.join(TENANT, str(number), _start(number, pace))


def _start(number: int, pace: _Pace) -> Start:
    async def start(log: Writer) -> None:
        await pace.lead(number, log.write)

    return start


async def _drain(reader: Reader) -> None:
    async for _ in reader:
        pass


@asynccontextmanager
async def _memory() -> AsyncGenerator[Generations]:
    generations = MemoryGenerations()
    yield generations
    await generations.close()


@asynccontextmanager
async def _redis(url: str) -> AsyncGenerator[Generations]:
    async with _client(url) as client, _client(url) as background:
        generations = RedisGenerations(client, background)
        running = asyncio.create_task(generations.run())
        yield generations
        running.cancel()
        await asyncio.wait([running])
        await generations.close()


@asynccontextmanager
async def _client(url: str) -> AsyncGenerator[RedisClient]:
    # Patient: a bench on a busy machine is to measure slowness, not to fall back to memory.
    client = RedisClient(url, budget_seconds=5)
    yield client
    await client.close()


async def _redis_seconds(client: RedisClient) -> float:
    """What Redis has spent on scripts and on reading logs, by its own count."""
    stats: bytes = await client.call("INFO", "commandstats")
    total = 0
    for line in stats.split():
        name, _, rest = line.partition(b":")
        if name in {b"cmdstat_evalsha", b"cmdstat_eval", b"cmdstat_xread"}:
            total += int(dict(field.split(b"=") for field in rest.split(b","))[b"usec"])
    return total / 1e6
