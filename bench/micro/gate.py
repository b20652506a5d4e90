"""What the gate costs a request: admit, reserve, finish, in memory and with Redis.

The two are asked in turn (A B A B …) on the server's kind of event loop, for a tenant
and a key that both have every limit and a budget. Beside them a bare PING, which is what
a round trip costs. Round trips are counted by the client, not guessed.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import TypeVar

from bench.measure import Figure, Run
from bench.micro.latency import quantile_ms
from tests import services

from carrel.domain.ids import RequestId, TenantId
from carrel.domain.tenant import Limits
from carrel.limits.gate import Gate
from carrel.limits.handles import Admission, Budget, Reservation
from carrel.limits.memory import MemoryMeter
from carrel.limits.meter import Scope
from carrel.limits.redis import RedisMeter
from carrel.redis.client import RedisClient
from carrel.redis.replicas import Replicas

T = TypeVar("T")

TENANT = TenantId("ten_bench")
PLENTY = Limits(10**9, 10**10, 10**6)
SCOPES = [Scope("tenant:ten_bench", PLENTY), Scope("key:key_bench", PLENTY)]
BUDGETS = [
    Budget("tenant:ten_bench", 10**14, "month"),
    Budget("key:key_bench", 10**14, "day"),
]
PRICE = 1_000
CLIENTS = 16
WARM_UP = 200
STEPS = ("admit", "reserve", "finish")


class _EmptyLedger:
    async def spent_since(self, tenant_id: TenantId, scope: str, start: datetime) -> int:
        return 0

    async def spent_by(
        self,
        tenant_id: TenantId,
        requests: Collection[RequestId],
    ) -> dict[RequestId, int]:
        return {}


@dataclass(slots=True)
class _Timed:
    """Seconds of each step, and the round trips of all of them."""

    seconds: dict[str, list[float]] = field(
        default_factory=lambda: {step: [] for step in (*STEPS, "ping")}
    )
    trips: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STEPS, 0))


class _Asker:
    def __init__(self, gate: Gate, redis: RedisClient | None) -> None:
        self.gate = gate
        self.redis = redis
        self.timed = _Timed()
        self._ids = count()

    async def request(self) -> None:
        """One request, timed step by step."""
        request_id = RequestId(f"req_{next(self._ids):020}")

        async def admit() -> Admission:
            return await self.gate.admit(TENANT, request_id, SCOPES, 1_000)

        async def reserve() -> Reservation:
            return await self.gate.reserve(TENANT, request_id, BUDGETS, PRICE, PRICE)

        admission = await self._step("admit", admit)
        reservation = await self._step("reserve", reserve)

        async def finish() -> None:
            await self.gate.finish(admission, reservation, spent_micro_usd=PRICE // 2, tokens=900)

        await self._step("finish", finish)

    async def ping(self) -> None:
        assert self.redis
        started = time.perf_counter()
        await self.redis.call("PING")
        self.timed.seconds["ping"].append(time.perf_counter() - started)

    async def _step(self, name: str, step: Callable[[], Awaitable[T]]) -> T:
        before = self.redis.round_trips if self.redis else 0
        started = time.perf_counter()
        result = await step()
        self.timed.seconds[name].append(time.perf_counter() - started)
        self.timed.trips[name] += (self.redis.round_trips if self.redis else 0) - before
        return result


async def measure(run: Run) -> list[Figure]:
    """Microseconds of each step for one client, round trips, and requests a second for several."""
    requests = 1_000 if run.quick else 10_000
    with services.redis() as service:
        return await asyncio.to_thread(_on_the_servers_loop, service.url, requests)


def _on_the_servers_loop(url: str, requests: int) -> list[Figure]:
    if sys.platform == "win32":
        return asyncio.run(_measured(url, requests))
    import uvloop

    return uvloop.run(_measured(url, requests))


async def _measured(url: str, requests: int) -> list[Figure]:
    async with _askers(url) as (memory, redis):
        for _ in range(WARM_UP):
            await memory.request()
            await redis.request()
        memory.timed, redis.timed = _Timed(), _Timed()
        for _ in range(requests):
            await memory.request()
            await redis.request()
            await redis.ping()
        figures = [*_steps("memory", memory.timed), *_steps("Redis", redis.timed)]
        figures += _quantiles("a bare round trip to Redis", redis.timed.seconds["ping"])
        for step in STEPS:
            trips = redis.timed.trips[step] / requests
            figures.append(Figure(f"round trips to {step}", trips, "", f"{requests:,}"))
        figures += await _crowd("memory", memory, requests)
        before = await _redis_seconds(redis)
        figures += await _crowd("Redis", redis, requests)
        spent = (await _redis_seconds(redis) - before) / requests
        note = "one Redis serves as many requests a second as this goes into a second"
        figures.append(Figure("all three, Redis, time of Redis", spent * 1e6, "µs", note))
        return figures


@asynccontextmanager
async def _askers(url: str) -> AsyncGenerator[tuple[_Asker, _Asker]]:
    # Patient: a bench on a busy machine is to measure slowness, not to fall back to memory.
    client = RedisClient(url, budget_seconds=5)
    shared = Gate(
        _EmptyLedger(),
        local=MemoryMeter(),
        shared=RedisMeter(client),
        replicas=Replicas(client),
        recovery_seconds=0,
    )
    alone = Gate(_EmptyLedger(), local=MemoryMeter())
    yield _Asker(alone, None), _Asker(shared, client)
    await shared.close()
    await alone.close()
    await client.close()


async def _crowd(name: str, asker: _Asker, requests: int) -> list[Figure]:
    async def client() -> None:
        for _ in range(requests // CLIENTS):
            await asker.request()

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    note = f"{CLIENTS} clients, one process"
    return [
        Figure(f"all three, {name}, CPU of the server", cpu / requests * 1e6, "µs", note),
        Figure(f"all three, {name}, at most", requests / seconds, "requests/s", note),
    ]


async def _redis_seconds(asker: _Asker) -> float:
    """What Redis has spent on scripts, by its own count."""
    assert asker.redis
    stats: bytes = await asker.redis.call("INFO", "commandstats")
    line = next(line for line in stats.split() if line.startswith(b"cmdstat_evalsha:"))
    fields = dict(field.split(b"=") for field in line.partition(b":")[2].split(b","))
    return int(fields[b"usec"]) / 1e6


def _steps(name: str, timed: _Timed) -> list[Figure]:
    figures: list[Figure] = []
    for step in STEPS:
        figures += _quantiles(f"{step}, {name}", timed.seconds[step])
    whole = [sum(parts) for parts in zip(*(timed.seconds[step] for step in STEPS), strict=True)]
    return [*figures, *_quantiles(f"all three, {name}", whole)]


def _quantiles(name: str, seconds: Sequence[float]) -> list[Figure]:
    return [
        Figure(f"{name}, {label}", quantile_ms(seconds, share) * 1000, "µs", f"{len(seconds):,}")
        for label, share in (("p50", 0.5), ("p99", 0.99))
    ]
