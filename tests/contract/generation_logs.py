"""Generations of each kind, with leaders that write when told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from carrel.domain.ids import TenantId
from carrel.generations.events import Event, Item
from carrel.generations.flight import Writer
from carrel.generations.generations import Generations
from carrel.generations.memory import MemoryGenerations
from carrel.generations.reader import Reader
from carrel.generations.redis import RedisGenerations
from carrel.redis.client import RedisClient

TENANT = TenantId("ten_a")
STRANGER = TenantId("ten_b")
PATIENT = 10.0


class Story:
    """A leader that does what the test says: write, fail, or end."""

    def __init__(self) -> None:
        self.starts = 0
        self.cancelled = asyncio.Event()
        self.ended = asyncio.Event()
        self.error: BaseException | None = None
        self.log: Writer | None = None
        self._orders: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()

    def say(self, *texts: str) -> None:
        for text in texts:
            self._orders.put_nowait(text.encode())

    def fail(self, error: BaseException) -> None:
        self._orders.put_nowait(error)

    def end(self) -> None:
        self._orders.put_nowait(None)

    async def __call__(self, log: Writer) -> None:
        self.starts += 1
        self.log = log
        try:
            while (order := await self._orders.get()) is not None:
                if isinstance(order, BaseException):
                    raise order
                await log.write(order)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ended.set()


async def told(text: str, log: Writer) -> None:
    """A leader that writes each word, and ends."""
    for word in text.split():
        await log.write(word.encode())


def texts(items: list[Item]) -> list[str]:
    return [item.data.decode() if isinstance(item, Event) else "<restarted>" for item in items]


async def some(reader: Reader, number: int) -> list[str]:
    return texts([await anext(reader) for _ in range(number)])


async def rest(reader: Reader) -> list[str]:
    return texts([item async for item in reader])


@dataclass
class Travel:
    """Redis's time, for those who have travelled."""

    ahead_ms: int = 0

    def __call__(self) -> int:
        return self.ahead_ms

    def on(self, seconds: float) -> None:
        self.ahead_ms += int(seconds * 1000)


@dataclass
class Replica:
    generations: RedisGenerations
    running: asyncio.Task[None]
    travel: Travel
    client: RedisClient

    async def pulse(self) -> None:
        """Say and hear what is due in a quarter of a lease, now."""
        await self.generations._flights.exchange.pulse()
        while asking := {*self.generations._flights._asking}:
            await asyncio.wait(asking)


@contextlib.asynccontextmanager
async def replica(
    url: str,
    *,
    lease_seconds: float = 30.0,
    budget_seconds: float = PATIENT,
    **options: float,
) -> AsyncIterator[Replica]:
    """A replica on the Redis at *url*; leases are long, where a test is not about them."""
    travel = Travel()
    clients = [
        RedisClient(url, budget_seconds=budget_seconds, probe_seconds=0.01) for _ in range(2)
    ]
    generations = RedisGenerations(
        *clients,
        lease_seconds=lease_seconds,
        batch_seconds=0.005,
        ahead_ms=travel,
        **options,  # type: ignore[arg-type]
    )
    running = asyncio.create_task(generations.run())
    try:
        yield Replica(generations, running, travel, clients[0])
    finally:
        running.cancel()
        await asyncio.wait([running])
        await generations.close()
        for client in clients:
            await client.close()


@contextlib.asynccontextmanager
async def in_memory(**options: int) -> AsyncIterator[Generations]:
    generations = MemoryGenerations(**options)
    yield generations
    await generations.close()


@contextlib.asynccontextmanager
async def in_redis(url: str, **options: int) -> AsyncIterator[Generations]:
    async with replica(url, **options) as made:
        yield made.generations
