"""Requests that failed of late: which are kept, and who learns of them."""

from collections.abc import AsyncIterator

import pytest

from carrel.redis.client import RedisClient
from carrel.usage.failures import KEPT, RecentFailures


def failure(number: int) -> dict[str, object]:
    return {"at": "2026-11-22T20:00:00Z", "request_id": f"req_{number}", "status": 503}


async def names(failures: RecentFailures, limit: int = KEPT) -> list[str]:
    return [each["request_id"] for each in await failures.newest(limit)]


@pytest.fixture
async def clients(redis_url: str) -> AsyncIterator[list[RedisClient]]:
    made = [RedisClient(redis_url, budget_seconds=5) for _ in range(2)]
    yield made
    for each in made:
        await each.close()


async def test_alone_the_newest_are_kept():
    failures = RecentFailures()
    for number in range(KEPT + 50):
        failures.note(failure(number))
    assert await names(failures, 3) == [f"req_{KEPT + 49}", f"req_{KEPT + 48}", f"req_{KEPT + 47}"]
    assert len(await names(failures)) == KEPT


async def test_replicas_know_of_each_others(clients: list[RedisClient]):
    here, there = (RecentFailures(each) for each in clients)
    here.note(failure(1))
    here.note(failure(2))
    await here.tell()
    there.note(failure(3))
    assert await names(there) == ["req_3", "req_2", "req_1"]
    assert await names(here, 1) == ["req_3"]
    for number in range(4, KEPT + 50):
        here.note(failure(number))
    assert await names(there) == ["req_3", "req_2", "req_1"]  # who failed says so by and by
    assert len(await names(here)) == KEPT
    assert (await names(there))[0] == f"req_{KEPT + 49}"
    assert 0 < await clients[0].call("TTL", "carrel:failures") <= 86_400


async def test_without_redis_each_knows_its_own():
    client = RedisClient("redis://127.0.0.1:1", budget_seconds=0.05)
    failures = RecentFailures(client)
    failures.note(failure(1))
    assert await names(failures) == ["req_1"]
    await client.close()
