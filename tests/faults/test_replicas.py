"""A replica is killed or told to stop: what it held is given back, what streams is ended."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from bench.simulator.behaviour import Behaviour
from tests.faults.stage import Stage, stage

from carrel.limits.books import RECOVERY_SECONDS

API = "carrel.serving.api"
RELEASED_SECONDS = 30  # after which nothing that a dead replica held is held any more


@pytest.fixture
async def house(redis_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    environment = {
        "CARREL_REDIS_URL": redis_url,
        "CARREL_REDIS_TIMEOUT_SECONDS": "5",
        "CARREL_DRAIN__NOTICE_SECONDS": "1",
        "CARREL_DRAIN__GRACE_SECONDS": "6",
    }
    async with stage(tmp_path, environment) as house:
        yield house


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_what_a_killed_replica_held_is_free_within_thirty_seconds(house: Stage):
    """Its place among concurrent requests, its reservation, and what it wrote is billed."""
    house.model.behaviour = Behaviour(ttft_ms=5, tokens_per_second=20, tokens=400)
    await asyncio.sleep(RECOVERY_SECONDS + 0.5)  # of a new Redis nobody knows what was spent
    # Room for one answer at a time, and money for one reservation and a little more.
    await house.allow(limits={"concurrent_requests": 1}, budget={"usd": "0.015", "period": "month"})
    async with house.streaming(max_tokens=400) as streamed:
        async with asyncio.timeout(20):
            while len(streamed.events) < 20:  # so that there is something to bill
                streamed.take(await streamed.response.content.readany())
        killed_at = time.monotonic()
        os.kill(house.server.children()[API], signal.SIGKILL)
        await streamed.rest()
    assert streamed.cut
    house.model.behaviour = Behaviour(ttft_ms=5, tokens_per_second=0, tokens=10)
    await house.until_ready()
    statuses: list[int] = []
    while time.monotonic() < killed_at + RELEASED_SECONDS:
        try:
            statuses.append((await house.ask(max_tokens=200))[0])
        except aiohttp.ClientError:
            continue
        if statuses[-1] == 200:
            break
        await asyncio.sleep(0.25)
    assert statuses[-1] == 200, statuses
    assert set(statuses) <= {200, 429, 503}
    usage = await house.usage(2)
    assert usage["completion_tokens"] > 10, "what the killed one wrote is billed"


async def test_when_told_to_stop_a_stream_under_way_is_whole(house: Stage):
    house.model.behaviour = Behaviour(ttft_ms=5, tokens_per_second=50, tokens=100)
    async with house.streaming() as streamed:
        stopping = asyncio.create_task(asyncio.to_thread(house.server.stop))
        await streamed.rest()
    assert (streamed.last, streamed.cut) == ("done", False)
    assert await stopping == 0


async def test_when_told_to_stop_it_is_not_ready_at_once(house: Stage):
    house.model.behaviour = Behaviour(ttft_ms=5, tokens_per_second=20, tokens=60)
    async with house.streaming() as streamed:
        stopping = asyncio.create_task(asyncio.to_thread(house.server.stop))
        statuses: list[int] = []
        async with aiohttp.ClientSession() as session:
            async with asyncio.timeout(10):
                while not statuses or statuses[-1] == 200:
                    async with session.get(f"{house.server.url}/readyz") as response:
                        statuses.append(response.status)
                    await asyncio.sleep(0.02)
        await streamed.rest()
        await stopping
    assert statuses[-1] == 503
    assert streamed.last == "done"


@pytest.mark.slow
async def test_at_the_deadline_a_stream_ends_in_an_event_and_no_bare_cut(house: Stage):
    house.model.behaviour = Behaviour(ttft_ms=5, tokens_per_second=10, tokens=2_000)
    async with house.streaming(max_tokens=2_000) as streamed:
        stopping = asyncio.create_task(asyncio.to_thread(house.server.stop))
        await streamed.rest()
        await stopping
    assert (streamed.last, streamed.cut) == ("error", False)
