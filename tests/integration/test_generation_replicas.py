"""Generations of several replicas on one Redis: what is read of them, and for how long."""

import asyncio
from contextlib import suppress
from functools import partial
from hashlib import sha256

import pytest
from tests.contract.generation_logs import TENANT, Story, rest, some, told
from tests.integration.fleet import LEASE, Fleet, fleet

from carrel.generations.errors import Failed, Unfinished
from carrel.generations.events import Offset
from carrel.generations.flight import Writer
from carrel.redis.client import RedisClient

pytestmark = pytest.mark.usefixtures("unblocked_loop")
__all__ = ["fleet"]


async def test_readers_in_another_replica_read_the_same(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    story, unused = Story(), Story()
    here = await a.generations.join(TENANT, "key", story)
    there = [await b.generations.join(TENANT, "key", unused) for _ in range(100)]
    assert [reader.leads for reader in (here, *there)] == [True, *[False] * 100]
    story.say("one", "two")
    assert await some(there[0], 2) == ["one", "two"]
    story.say("three")
    story.end()
    assert await rest(here) == ["one", "two", "three"]
    assert await rest(there[0]) == ["three"]
    for reader in there[1:]:
        assert await rest(reader) == ["one", "two", "three"]
    assert (story.starts, unused.starts) == (1, 0)


async def test_a_hundred_readers_of_a_process_are_one_to_redis(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    reader = await a.generations.join(TENANT, "key", Story())
    before = b.client.round_trips
    await asyncio.gather(*(b.generations.join(TENANT, "key", Story()) for _ in range(100)))
    assert b.client.round_trips - before <= 2 * 2  # claim, enter; each also to teach the script
    key = f"carrel:{{{TENANT}}}:generation:{reader.generation_id}:readers"
    assert await a.client.call("ZCARD", key) == 2


async def test_a_failure_and_its_bytes_cross_replicas(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    story = Story()
    await a.generations.join(TENANT, "key", story)
    there = await b.generations.join(TENANT, "key", Story())
    story.say("one")
    story.fail(Failed(b"\xff\0 upstream"))
    assert await some(there, 1) == ["one"]
    with pytest.raises(Failed) as failed:
        await rest(there)
    assert failed.value.payload == b"\xff\0 upstream"
    again = Story()
    assert (await b.generations.join(TENANT, "key", again)).leads


async def test_what_ended_badly_between_claim_and_entry_is_not_joined(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    over = [
        await a.generations.join(TENANT, "failed", partial(_fail, Failed(b"x"))),
        await a.generations.join(TENANT, "left", Story()),
        await a.generations.join(TENANT, "done", partial(told, "one")),
    ]
    with pytest.raises(Failed):
        await rest(over[0])
    over[1].close()
    assert await rest(over[2]) == ["one"]
    for reader in over:
        with suppress(Failed, Unfinished):  # now Redis has heard
            await rest(await b.generations.follow(TENANT, reader.generation_id))
    leads: list[bool] = []
    for reader, key in zip(over, ("failed", "left", "done"), strict=True):
        # As it was when this key was read, a moment ago.
        under_way = f"carrel:{{{TENANT}}}:under_way:{sha256(key.encode()).hexdigest()}"
        await b.client.call("SET", under_way, reader.generation_id, "PX", 60_000)
        joined = await b.generations.join(TENANT, key, partial(told, "uno"))
        leads.append(joined.leads)
        assert await rest(joined) == (["uno"] if joined.leads else ["one"])
    assert leads == [True, True, False]


async def test_an_ended_generation_is_resumed_in_another_replica(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    here = await a.generations.join(TENANT, "key", partial(told, "one two three"))
    there = await b.generations.follow(TENANT, here.generation_id, Offset(1, 1))
    assert await rest(here) == ["one", "two", "three"]
    assert await rest(there) == ["two", "three"]
    later = await b.generations.follow(TENANT, here.generation_id, Offset(1, 2))
    assert await rest(later) == ["three"]


async def test_what_was_not_read_yet_is_not_taken_for_lost(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    here = await a.generations.join(TENANT, "key", partial(told, "one two three"))
    assert await rest(here) == ["one", "two", "three"]
    await rest(await b.generations.follow(TENANT, here.generation_id))  # now Redis has it all
    b.running.cancel()
    await asyncio.wait([b.running])
    there = await b.generations.follow(TENANT, here.generation_id)
    await b.pulse()
    await b.pulse()
    await b.generations._flights.exchange.receive()
    assert await rest(there) == ["one", "two", "three"]


async def test_a_process_may_follow_by_id_what_it_also_joins_by_key(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    story = Story()
    here = await a.generations.join(TENANT, "key", story)
    story.say("one", "two")
    followed = await b.generations.follow(TENANT, here.generation_id, Offset(1, 1))
    assert await some(followed, 1) == ["two"]
    joined = await b.generations.join(TENANT, "key", Story())
    assert await some(joined, 2) == ["one", "two"]
    story.say("three")
    assert await some(joined, 1) == await some(followed, 1) == ["three"]
    followed.close()
    here.close()
    await b.pulse()
    await a.pulse()
    story.say("four")
    story.end()
    assert await rest(joined) == ["four"]


async def test_a_long_log_of_several_attempts_is_resumed_in_the_newest(fleet: Fleet):
    a, b, c = [await fleet.replica() for _ in range(3)]
    first = Story()
    reader = await a.generations.join(TENANT, "key", first)
    for _ in range(450):  # more entries than are read at once
        first.say("one")
        await some(reader, 1)
        await a.generations._flights.exchange.send()
    reader.close()
    await first.cancelled.wait()
    second = Story()
    again = await b.generations.follow(TENANT, reader.generation_id, reader.position, second)
    second.say("uno", "dos")
    assert await some(again, 3) == ["<restarted>", "uno", "dos"]
    resumed = await c.generations.follow(TENANT, reader.generation_id, Offset(2, 1))
    assert await some(resumed, 1) == ["dos"]


async def test_a_claim_that_nobody_waited_for_is_given_back(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    unused = Story()
    joining = asyncio.create_task(a.generations.join(TENANT, "key", unused))
    await asyncio.sleep(0)
    joining.cancel()
    await a.pulse()
    assert joining.cancelled()
    for each in (b, a):
        reader = await each.generations.join(TENANT, "key", partial(told, "one"))
        assert reader.leads
        assert await rest(reader) == ["one"]
        await each.generations._flights.exchange.send()
    assert unused.starts == 0


async def test_the_leader_is_cut_when_the_last_reader_elsewhere_leaves(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    story = Story()
    here = await a.generations.join(TENANT, "key", story)
    there = [await b.generations.join(TENANT, "key", Story()) for _ in range(2)]
    here.close()
    await a.pulse()
    story.say("one")
    assert await some(there[0], 1) == ["one"]
    there[0].close()
    await b.pulse()
    await a.pulse()
    assert not story.cancelled.is_set()
    there[1].close()
    await b.pulse()
    await a.pulse()
    await story.cancelled.wait()
    with pytest.raises(Unfinished):
        await rest(await b.generations.follow(TENANT, here.generation_id))


async def test_readers_of_a_dead_replica_count_until_they_lapse(fleet: Fleet):
    a, dead = await fleet.replica(), await fleet.replica()
    story = Story()
    here = await a.generations.join(TENANT, "key", story)
    await dead.generations.join(TENANT, "key", Story())
    here.close()
    await a.pulse()
    assert not story.cancelled.is_set()
    a.travel.on(LEASE + 1)
    await a.pulse()
    await story.cancelled.wait()


async def test_who_joins_elsewhere_while_the_last_reader_leaves_reads_or_leads(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    for turn in range(30):
        leaving, coming = Story(), Story()
        here = await a.generations.join(TENANT, f"key {turn}", leaving)
        joining = asyncio.create_task(b.generations.join(TENANT, f"key {turn}", coming))
        for _ in range(turn // 3):
            await asyncio.sleep(0)
        here.close()
        there = await joining
        for story in (leaving, coming):
            story.say("one")
            story.end()
        assert await rest(there) == ["one"]
        assert there.leads == (coming.starts == 1)


async def test_every_key_expires_and_bears_its_tenant(fleet: Fleet, redis_url: str):
    a, b = await fleet.replica(kept_seconds=600), await fleet.replica(kept_seconds=600)
    lasting = Story()
    readers = [
        await a.generations.join(TENANT, "lasting", lasting),
        await b.generations.join(TENANT, "lasting", Story()),
        await a.generations.join(TENANT, "failing", partial(_fail, Failed(b"x"))),
    ]
    (await a.generations.join(TENANT, "left", Story())).close()
    await rest(await a.generations.join(TENANT, "short", partial(told, "one two")))
    b.travel.on(LEASE + 1)
    await b.pulse()
    taken = await b.generations.join(TENANT, "lasting", Story())
    assert readers[1].leads
    assert not taken.leads
    await a.pulse()
    await _expiring(a.client, upto_ms=(600 + LEASE + 1) * 1000)
    for reader in (*readers, taken):
        reader.close()
    for each in (a, b):
        await each.generations.close()
    await _expiring(a.client, upto_ms=(600 + LEASE + 1) * 1000)


async def test_a_log_that_redis_has_lost_is_not_waited_for(fleet: Fleet):
    a, b = await fleet.replica(), await fleet.replica()
    here = await a.generations.join(TENANT, "key", partial(told, "one"))
    await rest(here)
    there = await b.generations.follow(TENANT, here.generation_id)
    await rest(there)
    await a.client.call("DEL", f"carrel:{{{TENANT}}}:generation:{here.generation_id}:log")
    late = await b.generations.follow(TENANT, here.generation_id)
    await b.pulse()
    await b.pulse()
    with pytest.raises(Unfinished):
        await rest(late)


async def test_nothing_is_left_in_redis_after_its_time(fleet: Fleet):
    a = await fleet.replica(lease_seconds=0.4, kept_seconds=0.2)
    generations = [
        await a.generations.join(TENANT, "done", partial(told, "one")),
        await a.generations.join(TENANT, "failed", partial(_fail, Failed(b"x"))),
        await a.generations.join(TENANT, "left", Story()),
    ]
    assert await rest(generations[0]) == ["one"]
    generations[2].close()
    assert await a.client.call("DBSIZE") > 0
    while await a.client.call("DBSIZE"):  # noqa: ASYNC110 - an expiry tells nobody
        await asyncio.sleep(0.02)


async def _fail(error: Exception, log: Writer) -> None:
    raise error


_KEYS = """
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  found[#found + 1] = {key, redis.call('PTTL', key)}
end
return found
"""


async def _expiring(client: RedisClient, upto_ms: float) -> None:
    keys = await client.call("EVAL", _KEYS, 0)
    assert keys
    for key, expires_in_ms in keys:
        assert key.startswith(b"carrel:{%b}:" % TENANT.encode())
        assert 0 < expires_in_ms <= upto_ms, key
