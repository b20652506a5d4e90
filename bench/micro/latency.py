"""Quantiles of latencies, and a prober that asks at a fixed rate whatever the answers take."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np


def quantile_ms(seconds: Sequence[float], share: float) -> float:
    """The quantile *share* (0.99 for p99) in milliseconds."""
    return float(np.quantile(seconds, share)) * 1000


def spread(seconds: Sequence[float]) -> str:
    """How many samples, with their median and p99."""
    middle, high = (quantile_ms(seconds, share) for share in (0.5, 0.99))
    return f"{len(seconds)}: p50 {middle:.1f}, p99 {high:.1f}, at most {max(seconds) * 1000:.1f} ms"


@dataclass(slots=True)
class Probes:
    """How long each answered call took, in seconds, and how many were refused."""

    seconds: list[float] = field(default_factory=list[float])
    refused: int = 0


@contextlib.asynccontextmanager
async def probing(
    ask: Callable[[int], Awaitable[bool]], *, every_seconds: float
) -> AsyncGenerator[Probes]:
    """Call *ask* with 0, 1, … at a fixed rate during the block; it says whether it was answered.

    A call starts when it is due even if the one before has not ended, so a
    stall is felt by all calls that fall into it (no coordinated omission).
    """
    probes = Probes()

    async def one(number: int) -> None:
        started = time.perf_counter()
        if await ask(number):
            probes.seconds.append(time.perf_counter() - started)
        else:
            probes.refused += 1

    async def start_all(group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        first, number = loop.time(), 0
        while True:
            group.create_task(one(number))
            number += 1
            await asyncio.sleep(first + number * every_seconds - loop.time())

    async with asyncio.TaskGroup() as group:
        starting = group.create_task(start_all(group))
        try:
            yield probes
        finally:
            starting.cancel()
