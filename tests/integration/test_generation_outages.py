"""Generations when Redis is down, slow, or has lost its memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from tests.contract.generation_logs import TENANT, Replica, Story, replica, rest, some
from tests.faults.proxy import Proxy

from carrel.domain.ids import GenerationId
from carrel.generations.errors import Fenced, Unfinished
from carrel.generations.events import Offset
from carrel.redis.errors import SharedStateDown

pytestmark = pytest.mark.usefixtures("unblocked_loop")

LONG = 60.0
SHORT = 0.6  # of a lease that is to lapse while a test waits


class Stage:
    """Two replicas, each with a way to Redis of its own."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.url = url
        self._stack = stack

    async def replica(self, **options: float) -> tuple[Replica, Proxy]:
        proxy = await self._stack.enter_async_context(Proxy(self.url).serving())
        made = await self._stack.enter_async_context(replica(proxy.url, **options))
        return made, proxy


def down(proxy: Proxy) -> None:
    proxy.refuses = True
    proxy.cut()


def up(proxy: Proxy) -> None:
    proxy.refuses = False


@pytest.fixture
async def stage(redis_url: str) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        yield Stage(redis_url, stack)


async def test_a_generation_goes_on_for_its_own_readers_when_redis_goes_down(stage: Stage):
    a, proxy = await stage.replica(lease_seconds=SHORT)
    story = Story()
    readers = [await a.generations.join(TENANT, "key", story) for _ in range(3)]
    story.say("one")
    for reader in readers:
        await some(reader, 1)
    down(proxy)
    story.say("two")
    for reader in readers:
        assert await some(reader, 1) == ["two"]
    await asyncio.sleep(2 * SHORT)
    late = await a.generations.join(TENANT, "key", Story())
    story.say("three")
    story.end()
    for reader in readers:
        assert await rest(reader) == ["three"]
    assert await rest(late) == ["one", "two", "three"]
    await asyncio.sleep(2 * SHORT)  # given up telling Redis: kept here
    again = await a.generations.follow(TENANT, late.generation_id, Offset(1, 1))
    assert await rest(again) == ["two", "three"]


async def test_equal_questions_meet_within_the_process_while_redis_is_down(stage: Stage):
    a, proxy = await stage.replica(lease_seconds=LONG)
    down(proxy)
    story = Story()
    readers = await asyncio.gather(*(a.generations.join(TENANT, "key", story) for _ in range(100)))
    assert [reader.leads for reader in readers] == [True, *[False] * 99]
    story.say("one")
    story.end()
    assert await asyncio.gather(*map(rest, readers)) == [["one"]] * 100
    assert story.starts == 1


async def test_the_last_reader_cuts_the_leader_at_once_while_redis_is_known_to_be_down(
    stage: Stage,
):
    a, proxy = await stage.replica(lease_seconds=LONG)
    down(proxy)
    a.client._breaker._opened_at = 0.0
    a.client._breaker._next_probe = float("inf")
    story = Story()
    reader = await a.generations.join(TENANT, "key", story)
    story.say("one")
    await some(reader, 1)
    reader.close()
    await story.cancelled.wait()


async def test_a_leader_without_readers_is_cut_within_a_lease_when_redis_goes_down(stage: Stage):
    a, proxy = await stage.replica(lease_seconds=SHORT)
    story = Story()
    reader = await a.generations.join(TENANT, "key", story)
    story.say("one")
    await some(reader, 1)
    down(proxy)
    reader.close()
    await story.cancelled.wait()


async def test_joining_does_not_wait_for_a_redis_that_is_slow(stage: Stage):
    a, proxy = await stage.replica(lease_seconds=LONG, budget_seconds=0.05)
    proxy.replies.clear()
    story = Story()
    reader = await a.generations.join(TENANT, "key", story)
    assert reader.leads
    story.say("one")
    story.end()
    assert await rest(reader) == ["one"]


async def test_followers_elsewhere_read_all_of_it_after_a_short_outage(stage: Stage):
    a, proxy = await stage.replica(lease_seconds=LONG)
    b, _ = await stage.replica(lease_seconds=LONG)
    story, unused = Story(), Story()
    here = await a.generations.join(TENANT, "key", story)
    there = await b.generations.join(TENANT, "key", unused)
    story.say("one")
    assert await some(there, 1) == ["one"]
    down(proxy)
    story.say(*["more"] * 2000)
    story.end()
    assert len(await rest(here)) == 2001
    up(proxy)
    assert await rest(there) == ["more"] * 2000
    assert unused.starts == 0


async def test_followers_whose_redis_stays_down_begin_again_on_their_own(stage: Stage):
    a, _ = await stage.replica(lease_seconds=LONG)
    b, proxy = await stage.replica(lease_seconds=SHORT)
    first, second = Story(), Story()
    here = await a.generations.join(TENANT, "key", first)
    there = [await b.generations.join(TENANT, "key", second) for _ in range(3)]
    first.say("one")
    for reader in there:
        await some(reader, 1)
    down(proxy)
    second.say("uno")
    for reader in there:
        assert await some(reader, 2) == ["<restarted>", "uno"]
    up(proxy)
    second.say("dos")
    second.end()
    for reader in there:
        assert await rest(reader) == ["dos"]
    first.say("two")
    first.end()
    assert await rest(here) == ["one", "two"]
    assert second.starts == 1
    assert there[0].position.attempt > 2  # no number that others give to theirs
    # Who resumes elsewhere what only that process knew reads the leader's from its beginning.
    resumed = await a.generations.follow(TENANT, here.generation_id, there[0].position)
    assert await rest(resumed) == ["<restarted>", "one", "two"]


async def test_those_who_cannot_lead_are_told_when_redis_stays_down(stage: Stage):
    a, _ = await stage.replica(lease_seconds=LONG)
    b, proxy = await stage.replica(lease_seconds=SHORT)
    here = await a.generations.join(TENANT, "key", Story())
    there = await b.generations.follow(TENANT, here.generation_id)
    down(proxy)
    with pytest.raises(Unfinished) as lost:
        await rest(there)
    assert lost.value.reason == "lost"


async def test_following_by_id_says_that_redis_is_down(stage: Stage):
    a, proxy = await stage.replica(lease_seconds=LONG)
    down(proxy)
    with pytest.raises(SharedStateDown):
        await a.generations.follow(TENANT, GenerationId("gen_somewhere"))


async def test_a_leader_cut_off_for_longer_than_its_lease_is_fenced(stage: Stage):
    a, proxy = await stage.replica(lease_seconds=SHORT)
    b, _ = await stage.replica(lease_seconds=SHORT)
    slow, new = Story(), Story()
    here = await a.generations.join(TENANT, "key", slow)
    there = await b.generations.join(TENANT, "key", new)
    slow.say("one")
    assert await some(here, 1) == await some(there, 1) == ["one"]
    down(proxy)
    slow.say("two")
    new.say("uno")
    assert await some(there, 2) == ["<restarted>", "uno"]
    up(proxy)
    while slow.error is None:
        slow.say("three")
        await asyncio.sleep(0.005)
    assert isinstance(slow.error, Fenced)
    new.end()
    assert await rest(there) == []
    assert (await rest(here))[-2:] == ["<restarted>", "uno"]


async def test_a_redis_that_lost_its_memory_leaves_one_leader_to_those_elsewhere(stage: Stage):
    a, _ = await stage.replica(lease_seconds=LONG)
    others = [(await stage.replica(lease_seconds=LONG))[0] for _ in range(2)]
    first, again = Story(), Story()
    here = await a.generations.join(TENANT, "key", first)
    there = [await each.generations.join(TENANT, "key", again) for each in others]
    first.say("one")
    for reader in (here, *there):
        assert await some(reader, 1) == ["one"]
    await a.client.call("FLUSHALL")
    await a.pulse()  # its own readers need no other
    for each in others:
        await each.pulse()
    assert again.starts == 1
    again.say("uno")
    again.end()
    for reader in there:
        assert await rest(reader) == ["<restarted>", "uno"]
    first.say("two")
    first.end()
    assert await rest(here) == ["two"]


async def test_a_redis_that_was_set_back_is_told_again(stage: Stage):
    a, _ = await stage.replica(lease_seconds=LONG)
    b, _ = await stage.replica(lease_seconds=LONG)
    story = Story()
    here = await a.generations.join(TENANT, "key", story)
    name = f"carrel:{{{TENANT}}}:generation:{here.generation_id}"

    async def tell(text: str) -> None:
        story.say(text)
        await some(here, 1)
        await a.generations._flights.exchange.send()

    await tell("one")
    copies = [(key, await a.client.call("DUMP", key)) for key in (name, f"{name}:log")]
    await tell("two")
    await tell("three")
    for key, copy in copies:
        await a.client.call("RESTORE", key, 60_000, copy, "REPLACE")
    await tell("four")
    late = await b.generations.join(TENANT, "key", Story())
    story.end()
    assert await rest(late) == ["one", "two", "three", "four"]
