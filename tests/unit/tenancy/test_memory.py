"""What the authenticator remembers, and what those share who want the same thing."""

import asyncio

import pytest

from carrel.domain.errors import Unavailable
from carrel.tenancy.expiring import Expiring
from carrel.tenancy.sharing import Sharing


def test_an_entry_ends_with_its_time(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr("carrel.tenancy.expiring.time.monotonic", lambda: now)
    memory: Expiring[str, int] = Expiring(10)
    memory.put("a", 1, 105)
    assert memory.get("a") == 1
    now = 105.0
    assert memory.get("a") is None
    assert len(memory) == 0


def test_the_memory_is_bounded_and_the_oldest_goes_first():
    memory: Expiring[int, int] = Expiring(3)
    for number in range(1000):
        memory.put(number, number, 1e12)
    assert len(memory) == 3
    assert [memory.get(number) for number in range(996, 1000)] == [None, 997, 998, 999]


def test_an_entry_put_again_counts_as_new():
    memory: Expiring[str, int] = Expiring(2)
    for key in ("a", "b", "a", "c"):
        memory.put(key, 1, 1e12)
    assert (memory.get("a"), memory.get("b")) == (1, None)


async def test_a_hundred_who_want_the_same_share_one_effort():
    sharing: Sharing[str, object] = Sharing()
    efforts = 0

    async def effort() -> object:
        nonlocal efforts
        efforts += 1
        await asyncio.sleep(0)
        return object()

    outcomes = await asyncio.gather(*(sharing.run("x", effort) for _ in range(100)))
    assert efforts == 1
    assert len(set(map(id, outcomes))) == 1
    await sharing.run("x", effort)
    assert efforts == 2


async def test_who_leaves_does_not_end_the_effort_of_the_others():
    sharing: Sharing[str, int] = Sharing()
    goes_on = asyncio.Event()

    async def effort() -> int:
        await goes_on.wait()
        return 7

    first = asyncio.create_task(sharing.run("x", effort))
    second = asyncio.create_task(sharing.run("x", effort))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    goes_on.set()
    assert await second == 7


async def test_a_failure_is_everyones_and_is_not_remembered():
    sharing: Sharing[str, int] = Sharing()

    async def fails() -> int:
        raise Unavailable("down")

    async def works() -> int:
        return 1

    outcomes = await asyncio.gather(
        *(sharing.run("x", fails) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert await sharing.run("x", works) == 1
