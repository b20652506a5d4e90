"""Upstreams of two replicas on one Redis: each replica is a generator with a client of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from bench.simulator import Behaviour, Simulator
from tests import services
from tests.unit.generation.upstreams import DOWN, FAST, SILENT, answered, fallback, member

from carrel.domain.errors import GenerationFailed
from carrel.generation.fallback.generator import FallbackGenerator
from carrel.generation.fallback.member import Member
from carrel.generation.fallback.shared import SharedStandings
from carrel.redis.client import RedisClient
from carrel.remote.breaker import FAILURES

pytestmark = pytest.mark.usefixtures("unblocked_loop")

PAUSE = 0.3


@dataclass
class Replica:
    generator: FallbackGenerator
    member: Member
    standings: SharedStandings

    async def reason(self) -> str:
        """Why it did not answer; empty: it did."""
        try:
            await answered(self.generator)
        except GenerationFailed as error:
            return error.reason
        return ""


class Fleet:
    def __init__(self, url: str, upstream: Simulator, stack: AsyncExitStack) -> None:
        self._url = url
        self.upstream = upstream
        self._stack = stack

    async def replica(self, pause_seconds: float = PAUSE) -> Replica:
        client = RedisClient(self._url, budget_seconds=1)
        self._stack.push_async_callback(client.close)
        standings = SharedStandings(client)
        one = member(self.upstream.base_url, standings=standings, pause_seconds=pause_seconds)
        standings.follow([one])
        generator = await self._stack.enter_async_context(fallback(one))
        return Replica(generator, one, standings)


@pytest.fixture
async def fleet(redis_url: str) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(Simulator(FAST))
        yield Fleet(redis_url, upstream, stack)


async def test_who_asks_to_wait_is_asked_by_no_replica(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    fleet.upstream.behaviour = Behaviour(status=429, retry_after_seconds=30)
    assert await a.reason() == "rate_limited"
    await a.standings.exchange()
    await b.standings.exchange()
    assert [await each.reason() for each in (a, b)] == ["waiting", "waiting"]
    assert fleet.upstream.stats.requests == 1


async def test_a_breaker_that_opens_opens_in_every_replica(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    fleet.upstream.behaviour = DOWN
    assert [await a.reason() for _ in range(FAILURES + 1)][-1] == "open"
    await a.standings.exchange()
    await b.standings.exchange()
    assert await b.reason() == "open"
    assert fleet.upstream.stats.requests == FAILURES


async def test_of_all_replicas_one_probes(fleet: Fleet):
    replicas = [await fleet.replica() for _ in range(4)]
    fleet.upstream.behaviour = DOWN
    for replica in replicas:
        for _ in range(FAILURES):
            await replica.reason()
    for replica in replicas:
        await replica.standings.exchange()
    fleet.upstream.stats.reset()
    fleet.upstream.behaviour = Behaviour(ttft_ms=300, tokens_per_second=0, tokens=5)
    await asyncio.sleep(PAUSE + 0.05)
    asking = [each.reason() for each in replicas for _ in range(10)]
    reasons = await asyncio.gather(*asking)
    assert sorted(reasons) == ["", *["open"] * 39]
    assert fleet.upstream.stats.requests == 1

    for replica in replicas:
        await replica.standings.exchange()
    for replica in replicas:  # those who learnt of it after they were told
        await replica.standings.exchange()
    assert [await replica.reason() for replica in replicas] == [""] * 4


async def test_a_probe_that_fails_is_followed_by_a_pause_for_all(fleet: Fleet):
    a, b = await fleet.replica(pause_seconds=0.6), await fleet.replica(pause_seconds=0.6)
    fleet.upstream.behaviour = DOWN
    for replica in (a, b):
        for _ in range(FAILURES):
            await replica.reason()
    await a.standings.exchange()
    await b.standings.exchange()
    fleet.upstream.stats.reset()
    await asyncio.sleep(0.65)
    assert await a.reason() == "upstream_error"
    await a.standings.exchange()
    assert await b.reason() == "open"
    assert fleet.upstream.stats.requests == 1


async def test_the_probe_of_a_replica_that_died_is_made_by_another(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    for replica in (a, b):
        replica.member.breaker.open("gone")
    fleet.upstream.behaviour = SILENT
    a.member.terms = b.member.terms = type(a.member.terms)(name="first", probe_seconds=0.5)
    await asyncio.sleep(PAUSE + 0.05)
    dying = asyncio.create_task(a.reason())
    await fleet.upstream.stats.until(lambda stats: stats.open == 1)
    fleet.upstream.behaviour = FAST
    assert await b.reason() == "open"
    await asyncio.sleep(0.6)
    assert await b.reason() == ""
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)


async def test_without_redis_each_replica_goes_by_what_it_finds(fleet: Fleet):
    with services.redis() as running:
        alone = Fleet(running.url, fleet.upstream, fleet._stack)
        a = await alone.replica()
        background = asyncio.create_task(a.standings.run())
        assert await a.reason() == ""
        running.process.kill()
        running.process.wait()
        fleet.upstream.behaviour = DOWN
        assert [await a.reason() for _ in range(FAILURES + 1)][-1] == "open"
        fleet.upstream.behaviour = FAST
        await asyncio.sleep(PAUSE + 0.05)
        assert await a.reason() == ""
        background.cancel()
        await asyncio.gather(background, return_exceptions=True)
