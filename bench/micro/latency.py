"""Quantiles of latencies, and a prober that asks at a fixed rate whatever the answers take."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import numpy as np


def quantile_ms(seconds: Sequence[float], share: float) -> float:
    """The quantile *share* (0.99 for p99) in milliseconds."""
    return float(np.quantile(seconds, share)) * 1000


def spread(seconds: Sequence[float]) -> str:
    """How many samples, with their median and p99."""
    middle, high = (quantile_ms(seconds, share) for share in (0.5, 0.99))
    return f"{len(seconds)}: p50 {middle:.1f}, p99 {high:.1f}, at most {max(seconds) * 1000:.1f} ms"


@contextlib.asynccontextmanager
async def probing(
    ask: Callable[[int], Awaitable[None]], *, every_seconds: float
) -> AsyncGenerator[list[float]]:
    """Call *ask* with 0, 1, … at a fixed rate during the block; seconds each took.

    A call starts when it is due even if the one before has not ended, so a
    stall is felt by all calls that fall into it (no coordinated omission).
    """
    seconds: list[float] = []
    under_way: set[asyncio.Task[None]] = set()

    async def one(number: int) -> None:
        started = time.perf_counter()
        await ask(number)
        seconds.append(time.perf_counter() - started)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        first, number = loop.time(), 0
        while True:
            task = asyncio.create_task(one(number))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            number += 1
            await asyncio.sleep(first + number * every_seconds - loop.time())

    running = asyncio.create_task(run())
    try:
        yield seconds
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.gather(*under_way)
