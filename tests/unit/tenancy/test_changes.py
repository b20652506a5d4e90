"""The mark by which all processes notice a change."""

import asyncio

import pytest

from carrel.domain.errors import Unavailable
from carrel.tenancy import changes
from carrel.tenancy.changes import Changes


class Redis:
    """Values that several processes see."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.down = False
        self.reads = 0

    async def call(self, *command: str) -> bytes | None:
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("down")
        if command[0] == "SET":
            self.values[command[1]] = command[2].encode()
            return b"OK"
        self.reads += 1
        return self.values.get(command[1])


class Process:
    """One that remembers, and how often it had to forget."""

    def __init__(self, redis: Redis) -> None:
        self.forgot = 0
        self.changes = Changes(redis, self._forget)

    def _forget(self) -> None:
        self.forgot += 1


@pytest.fixture
def redis() -> Redis:
    return Redis()


async def test_every_process_forgets_when_one_announces(redis: Redis):
    here, there = Process(redis), Process(redis)
    for process in (here, there):
        await process.changes.check()
    await here.changes.announce()
    for process in (here, there):
        await process.changes.check()
        await process.changes.check()
    assert (here.forgot, there.forgot) == (1, 1)


async def test_of_two_changes_at_the_same_time_none_is_missed(redis: Redis):
    here, there = Process(redis), Process(redis)
    for process in (here, there):
        await process.changes.check()
    await asyncio.gather(here.changes.announce(), there.changes.announce())
    for process in (here, there):
        await process.changes.check()
    assert (here.forgot, there.forgot) == (1, 1)


async def test_a_redis_that_lost_its_memory_is_a_change(redis: Redis):
    process = Process(redis)
    await process.changes.announce()
    await process.changes.check()
    redis.values.clear()
    await process.changes.check()
    assert process.forgot == 2


async def test_many_requests_share_one_reading(redis: Redis):
    process = Process(redis)
    await asyncio.gather(*(process.changes.check() for _ in range(50)))
    assert redis.reads == 1
    assert not process.changes.is_due


async def test_while_redis_is_down_nothing_is_forgotten_and_no_one_asks_it_each_time(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
):
    now = 1000.0
    monkeypatch.setattr(changes.time, "monotonic", lambda: now)
    process = Process(redis)
    redis.down = True
    await process.changes.announce()
    await process.changes.check()
    assert process.forgot == 0
    assert not process.changes.is_due
    now += changes.CHECK_SECONDS
    assert process.changes.is_due
