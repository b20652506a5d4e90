"""Logs kept for those who resume: bounded by bytes and by time."""

import pytest

from carrel.domain.errors import NotFound
from carrel.domain.ids import GenerationId, TenantId
from carrel.generations.events import End
from carrel.generations.flight import Writer
from carrel.generations.kept import LOG_BYTES, KeptLogs
from carrel.generations.log import EVENT_BYTES, Log
from carrel.generations.memory import MemoryGenerations

TENANT = TenantId("ten_a")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def ended(name: str, size: int) -> Log:
    log = Log(GenerationId(name), 10**6)
    log.begin(1)
    log.append(b"x" * (size - EVENT_BYTES - LOG_BYTES))
    log.finish(End("done"))
    return log


def test_the_oldest_logs_give_way_when_the_bytes_are_used_up():
    kept = KeptLogs(10_000, 60, Clock())
    for n in range(100):
        kept.keep(TENANT, None, ended(str(n), 2_000))
        assert kept.size <= 10_000
    assert [kept.get(TENANT, GenerationId(str(n))) is not None for n in range(94, 100)] == [
        False,
        *[True] * 5,
    ]
    assert len(kept) == 5


def test_a_log_that_is_larger_than_the_bound_is_not_kept():
    kept = KeptLogs(10_000, 60, Clock())
    kept.keep(TENANT, None, ended("large", 10_001))
    assert (len(kept), kept.size) == (0, 0)


def test_logs_are_kept_for_their_time_and_no_longer():
    clock = Clock()
    kept = KeptLogs(10_000, 60, clock)
    kept.keep(TENANT, None, ended("a", 2_000))
    clock.now = 59.9
    assert kept.get(TENANT, GenerationId("a"))
    clock.now = 60.0
    assert kept.get(TENANT, GenerationId("a")) is None
    assert (len(kept), kept.size) == (0, 0)


def test_a_log_is_kept_once():
    kept = KeptLogs(10_000, 60, Clock())
    for _ in range(2):
        kept.keep(TENANT, None, ended("a", 2_000))
    assert (len(kept), kept.size) == (1, 2_000)


async def test_generations_of_one_process_can_be_resumed_for_a_while():
    clock = Clock()
    generations = MemoryGenerations(kept_seconds=60, clock=clock)

    async def leader(log: Writer) -> None:
        await log.write(b"one")

    with await generations.join(TENANT, "key", leader) as reader:
        assert [item async for item in reader]
    await generations.follow(TENANT, reader.generation_id)
    clock.now = 60.0
    with pytest.raises(NotFound):
        await generations.follow(TENANT, reader.generation_id)
