"""Generations whose leader is slow, dead or closing: who goes on, and with what."""

import asyncio
from contextvars import ContextVar
from functools import partial

import pytest
from tests.contract.generation_logs import TENANT, Story, rest, some, told
from tests.integration.fleet import LEASE, Fleet, fleet

from carrel.domain.errors import NotFound
from carrel.domain.ids import TenantId
from carrel.generations.errors import Fenced, Unfinished
from carrel.generations.flight import Writer
from carrel.telemetry import metrics

pytestmark = pytest.mark.usefixtures("unblocked_loop")
__all__ = ["fleet"]


async def test_nobody_can_take_from_a_leader_that_lives(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    await a.generations.join(TENANT, "key", Story())
    reader = await b.generations.join(TENANT, "key", Story())
    flights = b.generations._flights
    await flights._take(flights.by_id[TENANT, reader.generation_id])  # it seemed dead
    assert not reader.leads


async def test_who_takes_over_bears_the_context_of_its_own_caller(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    request: ContextVar[str] = ContextVar("request")
    seen: list[str] = []

    async def leader(log: Writer) -> None:
        seen.append(request.get())

    await a.generations.join(TENANT, "key", Story())
    request.set("req_1")
    reader = await b.generations.join(TENANT, "key", leader)
    request.set("req_2")
    b.travel.on(LEASE + 1)
    await b.pulse()
    await rest(reader)
    assert seen == ["req_1"]


async def test_after_an_outage_leaders_have_a_lease_to_say_that_they_live(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    story, unused = Story(), Story()
    await a.generations.join(TENANT, "key", story)
    there = await b.generations.join(TENANT, "key", unused)
    b.generations._flights.exchange._not_answered()
    b.travel.on(LEASE + 1)
    await b.pulse()
    assert unused.starts == 0
    a.travel.on(LEASE + 1)
    await a.pulse()
    story.say("one")
    assert await some(there, 1) == ["one"]


async def test_one_of_the_followers_takes_over_when_the_leader_lapses(fleet: Fleet):
    dead, *others = [await fleet.replica() for _ in range(4)]
    story = Story()
    await dead.generations.join(TENANT, "key", story)
    stories = [Story() for _ in others]
    readers = [
        await other.generations.join(TENANT, "key", each)
        for other, each in zip(others, stories, strict=True)
    ]
    story.say("one", "two")
    for reader in readers:
        await some(reader, 2)
    before = metrics.generation_takeovers._value.get()
    for other in others:
        other.travel.on(LEASE / 2)
    await asyncio.gather(*(other.pulse() for other in others))
    assert [each.starts for each in stories] == [0, 0, 0]  # not yet
    for other in others:
        other.travel.on(LEASE)
    await asyncio.gather(*(other.pulse() for other in others))
    assert sorted(each.starts for each in stories) == [0, 0, 1]
    assert sum(reader.leads for reader in readers) == 1
    assert metrics.generation_takeovers._value.get() == before + 1
    new = next(each for each in stories if each.starts)
    new.say("uno", "dos")
    new.end()
    for reader in readers:
        assert await rest(reader) == ["<restarted>", "uno", "dos"]


async def test_who_joins_after_the_leader_died_takes_over_at_once(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    first = await a.generations.join(TENANT, "key", Story())
    b.travel.on(LEASE + 1)
    reader = await b.generations.join(TENANT, "key", partial(told, "uno"))
    assert reader.leads
    assert reader.generation_id == first.generation_id
    assert await rest(reader) == ["uno"]  # nothing was read, so nothing is void


async def test_a_leader_that_was_only_slow_writes_nothing_after_it_was_replaced(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    slow, new = Story(), Story()
    here = await a.generations.join(TENANT, "key", slow)
    there = await b.generations.join(TENANT, "key", new)
    slow.say("one")
    assert await some(here, 1) == await some(there, 1) == ["one"]
    b.travel.on(LEASE + 1)
    await b.pulse()
    new.say("uno")
    assert await some(there, 2) == ["<restarted>", "uno"]

    slow.say("two")  # it has not heard yet: only its own process hears that
    assert (await some(here, 1))[0] in {"two", "<restarted>"}
    while slow.error is None:
        slow.say("three")
        await asyncio.sleep(0.001)
    assert isinstance(slow.error, Fenced)
    assert not here.leads
    new.say("dos")
    new.end()
    assert await rest(there) == ["dos"]
    assert (await rest(here))[-2:] == ["uno", "dos"]
    whole = await b.generations.follow(TENANT, there.generation_id)
    assert await rest(whole) == ["uno", "dos"]
    key = f"carrel:{{{TENANT}}}:generation:{there.generation_id}:log"
    entries = await b.client.call("XRANGE", key, "-", "+")
    assert [name.split(b"-")[0] for name, _ in entries] == sorted(
        name.split(b"-")[0] for name, _ in entries
    )
    assert not any(b"three" in fields for _, fields in entries)


async def test_a_lapsed_leader_whom_nobody_replaced_goes_on(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    story = Story()
    here = await a.generations.join(TENANT, "key", story)
    a.travel.on(2 * LEASE)
    await a.pulse()
    story.say("one")
    assert await some(here, 1) == ["one"]
    b.travel.on(2 * LEASE)
    there = await b.generations.join(TENANT, "key", Story())
    assert not there.leads
    assert await some(there, 1) == ["one"]


async def test_a_follower_that_seemed_dead_begins_again_what_was_cut(fleet: Fleet):
    a, stalled = await fleet.replica(), await fleet.replica()
    first, second = Story(), Story()
    here = await a.generations.join(TENANT, "key", first)
    there = await stalled.generations.join(TENANT, "key", second)
    first.say("one")
    await some(there, 1)
    a.travel.on(LEASE + 1)
    here.close()
    await first.cancelled.wait()
    second.say("uno")
    second.end()
    assert await rest(there) == ["<restarted>", "uno"]


async def test_a_replica_that_closes_hands_over_at_once(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    first, second = Story(), Story()
    here = await a.generations.join(TENANT, "key", first)
    there = await b.generations.join(TENANT, "key", second)
    first.say("one")
    assert await some(here, 1) == await some(there, 1) == ["one"]
    a.running.cancel()
    await a.generations.close()
    with pytest.raises(Unfinished):
        await rest(here)
    await b.pulse()
    second.say("uno")
    second.end()
    assert await rest(there) == ["<restarted>", "uno"]


async def test_what_a_closed_replica_led_is_resumed_elsewhere_by_who_can_lead(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    story = Story()
    here = await a.generations.join(TENANT, "key", story)
    story.say("one")
    await some(here, 1)
    a.running.cancel()
    await a.generations.close()
    resumed = await b.generations.follow(
        TENANT, here.generation_id, here.position, partial(told, "uno")
    )
    assert await rest(resumed) == ["<restarted>", "uno"]


async def test_what_a_dead_replicas_generation_was_about_is_known_elsewhere(fleet: Fleet):
    dead, b = await fleet.replica(), await fleet.replica()
    here = await dead.generations.join(TENANT, "key", Story(), b"what was asked")
    for lapsed in (0, LEASE + 1):  # it is known from the moment that the id is
        b.travel.on(lapsed)
        assert await b.generations.about(TENANT, here.generation_id) == b"what was asked"
    resumed = await b.generations.follow(TENANT, here.generation_id, start=partial(told, "uno"))
    await b.pulse()
    assert await rest(resumed) == ["uno"]
    assert await b.generations.about(TENANT, here.generation_id) == b"what was asked"
    stranger = TenantId("ten_b")
    with pytest.raises(NotFound):
        await b.generations.about(stranger, here.generation_id)


async def test_those_who_cannot_lead_wait_another_lease_and_learn_that_it_is_lost(fleet: Fleet):
    dead, b = await fleet.replica(), await fleet.replica()
    first = await dead.generations.join(TENANT, "key", Story())
    there = await b.generations.follow(TENANT, first.generation_id)
    b.travel.on(LEASE + 1)
    await b.pulse()
    b.travel.on(LEASE + 1)
    await b.pulse()
    with pytest.raises(Unfinished) as lost:
        await rest(there)
    assert lost.value.reason == "lost"


async def test_a_question_that_kills_its_leaders_is_given_up(fleet: Fleet):
    replicas = [await fleet.replica(max_deaths=2) for _ in range(3)]
    stories = [Story() for _ in replicas]
    readers = [
        await each.generations.join(TENANT, "key", story)
        for each, story in zip(replicas, stories, strict=True)
    ]
    for n in (1, 2):  # those before are as good as dead
        replicas[n].travel.on(n * 2 * LEASE)
        await replicas[n].pulse()
    assert [story.starts for story in stories] == [1, 1, 0]
    with pytest.raises(Unfinished) as lost:
        await rest(readers[2])
    assert lost.value.reason == "lost"
