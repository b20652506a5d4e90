import asyncio

from carrel.generation.stall import StallTimer


async def test_a_wait_that_outlasts_its_limit_is_called_a_stall() -> None:
    called = asyncio.Event()
    timer = StallTimer(called.set)
    timer.wait(0.01)
    await called.wait()
    assert timer.stalled


async def test_a_shorter_wait_after_a_longer_one_is_not_kept_waiting() -> None:
    called = asyncio.Event()
    timer = StallTimer(called.set)
    timer.wait(1000)
    timer.wait(0.01)
    await called.wait()
    assert timer.stalled


async def test_a_wait_that_is_begun_again_has_its_whole_limit() -> None:
    called = asyncio.Event()
    timer = StallTimer(called.set)
    timer.wait(0.01)
    timer.wait(1000)
    await asyncio.sleep(0.05)
    assert not timer.stalled
    timer.wait(0.01)
    await called.wait()


async def test_a_pause_is_never_a_stall() -> None:
    called = asyncio.Event()
    timer = StallTimer(called.set)
    timer.wait(0.01)
    timer.pause()
    await asyncio.sleep(0.05)
    assert not timer.stalled
    timer.wait(0.01)
    await called.wait()


async def test_a_stopped_timer_never_calls() -> None:
    called = asyncio.Event()
    timer = StallTimer(called.set)
    timer.wait(0.01)
    timer.stop()
    await asyncio.sleep(0.05)
    assert not called.is_set()
