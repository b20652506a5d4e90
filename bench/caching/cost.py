"""What a miss costs: a search for passages alone, and with a lookup of questions beside it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import numpy as np
from bench.caching.pairs import Pair
from bench.caching.stand import Stand

from carrel.caching.guards.agreement import disagreement
from carrel.caching.guards.reading import read
from carrel.caching.semantic import SemanticIndex

REMEMBERED = 2_000
ROUNDS = 400


async def measure(stand: Stand, chosen: Sequence[Pair], threshold: float) -> dict[str, float]:
    """Milliseconds at the median and the 99th percentile; microseconds of a pair of questions."""
    tenant = stand.tenants["acme"]
    index = SemanticIndex(stand.homes, {stand.embedder.identity: threshold}, slots=1_000_000)
    rng = np.random.default_rng(7)
    asked = [await stand.asked(pair.asked) for pair in chosen if pair.tenant == "acme"]
    for number in range(REMEMBERED):  # nothing near: a lookup is a miss
        vector = rng.normal(size=asked[0].vector.shape).astype(np.float32)
        far = replace(asked[number % len(asked)], vector=vector / np.linalg.norm(vector))
        await index.remember(tenant.id, f"key {number}", far)
    retriever = stand.api.services.retriever

    async def alone(n: int) -> None:
        await retriever.search(tenant.id, asked[n % len(asked)].text, top_k=8)

    async def lookup(n: int) -> None:
        await index.nearest(tenant.id, asked[n % len(asked)])

    async def both(n: int) -> None:
        await asyncio.gather(alone(n), lookup(n))

    figures: dict[str, float] = {}
    times = await _interleaved([alone, lookup, both])
    for name, taken in zip(("search", "lookup", "search and lookup"), times, strict=True):
        figures[f"{name}, p50 ms"] = float(np.percentile(taken, 50))
        figures[f"{name}, p99 ms"] = float(np.percentile(taken, 99))
    await index.erase(tenant.id)
    read.cache_clear()
    started = time.perf_counter()
    for pair in chosen:
        disagreement(pair.cached, pair.asked)
    figures["guards, µs a pair"] = (time.perf_counter() - started) / len(chosen) * 1e6
    return figures


async def _interleaved(calls: Sequence[Callable[[int], Awaitable[None]]]) -> list[list[float]]:
    """Each call `ROUNDS` times, in turn, so that all meet the same noise."""
    times: list[list[float]] = [[] for _ in calls]
    for n in range(ROUNDS):
        for taken, call in zip(times, calls, strict=True):
            started = time.perf_counter()
            await call(n)
            taken.append((time.perf_counter() - started) * 1000)
    return times
