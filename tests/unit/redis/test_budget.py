import asyncio
import time

import pytest

from carrel.redis.budget import time_budget


async def test_what_takes_longer_is_cut_off():
    with pytest.raises(TimeoutError):
        async with time_budget(0.01):
            await asyncio.Event().wait()


async def test_a_stall_of_our_own_loop_is_not_held_against_redis():
    loop = asyncio.get_running_loop()
    reply = loop.create_future()
    # A reply takes the loop a few turns: to be read, put together, and handed over.
    loop.call_later(0.001, loop.call_soon, loop.call_soon, reply.set_result, "there in time")
    async with time_budget(0.02):
        loop.call_soon(time.sleep, 0.1)
        assert await reply == "there in time"


async def test_a_cancellation_stays_a_cancellation():
    async def wait() -> None:
        async with time_budget(10):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
