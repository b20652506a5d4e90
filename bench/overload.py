"""More questions than the model can answer: what is answered all the same, and how soon.

The model is a simulator with a fixed number of places, so that its capacity is known: the
others wait in line, as with vLLM. Questions come at random times whatever the answers take,
each another one, past all caches.
"""

import asyncio
import random
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
import orjson
from bench.measure import AtLeast, AtMost, Figure, Run
from bench.micro import text
from bench.micro.latency import quantile_ms
from bench.micro.served import Served, load, served
from bench.micro.upstream import MODEL, simulator
from tests.acceptance.server import Client, new_tenant

DOCUMENTS = 48
PLACES = 24
TTFT_MS = 200
TOKENS = 20
TOKENS_PER_SECOND = 20
CAPACITY = PLACES / (TTFT_MS / 1000 + TOKENS / TOKENS_PER_SECOND)  # answers a second
LOADS = (1, 2, 5)
QUIET_EVERY_SECONDS = 0.5
GREEDY = 50  # times as many questions as the quiet tenant's
GOALS = {
    "goodput at 2x against peak": AtLeast(0.9),
    "goodput at 5x against peak": AtLeast(0.9),
    "refusal, in the server, p50": AtMost(10),
    "quiet tenant's p99, beside / alone": AtMost(2),
    "quiet tenant's share refused": AtMost(0.01),
}
SETUPS = {
    "adaptive": {"CARREL_LLM__MAX_CONNECTIONS": "4096", "CARREL_OVERLOAD__SLOW_SECONDS": "0.5"},
    "capacity set": {"CARREL_LLM__MAX_CONNECTIONS": str(PLACES)},
    "no limits": {
        "CARREL_LLM__MAX_CONNECTIONS": "4096",
        "CARREL_OVERLOAD__ADAPTIVE": "false",
        "CARREL_OVERLOAD__MAX_STREAMS": "4096",
        "CARREL_OVERLOAD__TENANT_SHARE": "1000000",
    },
}


@dataclass(slots=True)
class Seen:
    """What became of questions: seconds to their first token, and to a refusal."""

    first: list[float] = field(default_factory=list[float])
    refused: list[float] = field(default_factory=list[float])
    done_at: list[float] = field(default_factory=list[float])
    broken: int = 0


async def measure(run: Run) -> list[Figure]:
    """Goodput at 1, 2 and 5 times what the model can answer; a quiet tenant beside a greedy one."""
    seconds = 15 if run.quick else 30
    figures: list[Figure] = []
    for name, settings in SETUPS.items():
        if run.quick and name == "no limits":
            continue
        async with (
            simulator(
                ttft_ms=TTFT_MS,
                tokens_per_second=TOKENS_PER_SECOND,
                tokens=TOKENS,
                places=PLACES,
            ) as base_url,
            served(
                run.folder / name,
                {
                    "CARREL_LLM__BASE_URL": base_url,
                    "CARREL_LLM__MODEL": MODEL,
                    "CARREL_LOG__FORMAT": "json",
                    **settings,
                },
            ) as it,
        ):
            run.say(name)
            await load(it.tenant, (text.document(n) for n in range(DOCUMENTS)))
            figures += await _loads(run, it, seconds, f", {name}")
            figures += await _beside(run, it, seconds, f", {name}")
    return figures


async def _loads(run: Run, it: Served, seconds: float, suffix: str) -> list[Figure]:
    await _offered(it.tenant, CAPACITY / 2, seconds / 3)  # so that the floor is known
    rates: dict[int, float] = {}
    figures: list[Figure] = []
    for times in LOADS:
        run.say(f"{times} times the capacity")
        started = time.perf_counter()
        seen = await _offered(it.tenant, times * CAPACITY, seconds)
        # Of the second half: the first is for the limit to be found.
        half, end = started + seconds / 2, started + seconds
        rates[times] = sum(half <= each < end for each in seen.done_at) / (seconds / 2)
        note = f"of {times * CAPACITY:.0f}/s; {len(seen.refused)} refused, {seen.broken} broken"
        figures.append(Figure(f"answers at {times}x{suffix}", rates[times], "/s", note))
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            value = quantile_ms(seen.first, share)
            figures.append(Figure(f"first token at {times}x, {name}{suffix}", value, "ms"))
            if seen.refused and times == LOADS[-1]:
                value = quantile_ms(seen.refused, share)
                figures.append(Figure(f"refusal at {times}x, {name}{suffix}", value, "ms"))
        await asyncio.sleep(5)
    log = (it.server.data_dir.parent / "server.log").read_text()
    if in_server := [each for line in log.splitlines() if (each := _refused_ms(line))]:
        note = f"{len(in_server)}: p99 {np.quantile(in_server, 0.99):.1f} ms"
        name = f"refusal, in the server, p50{suffix}"
        figures.append(Figure(name, float(np.median(in_server)), "ms", note))
    peak = max(rates.values())
    figures += [
        Figure(f"goodput at {times}x against peak{suffix}", rates[times] / peak, "")
        for times in LOADS
    ]
    return figures


async def _beside(run: Run, it: Served, seconds: float, suffix: str) -> list[Figure]:
    quiet = await new_tenant(it.admin, "quiet")
    await load(quiet, (text.document(n) for n in range(4)))
    run.say("a quiet tenant alone")
    alone = await _offered(quiet, 1 / QUIET_EVERY_SECONDS, seconds)
    run.say("beside a greedy one")
    greedy = asyncio.create_task(
        _offered(it.tenant, GREEDY / QUIET_EVERY_SECONDS, seconds + 5, client="greedy")
    )
    await asyncio.sleep(5)
    beside = await _offered(quiet, 1 / QUIET_EVERY_SECONDS, seconds)
    pushed = await greedy
    ratios: list[Figure] = []
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        a, b = (quantile_ms(seen.first, share) for seen in (alone, beside))
        note = f"{b:.0f} against {a:.0f} ms; {len(beside.first)} answers"
        ratios.append(Figure(f"quiet tenant's {name}, beside / alone{suffix}", b / a, "", note))
    refused = len(beside.refused) / (len(beside.refused) + len(beside.first))
    of = f"the greedy one's: {len(pushed.refused)} of {len(pushed.refused) + len(pushed.first)}"
    return [
        *ratios,
        Figure(f"quiet tenant's share refused{suffix}", refused, "", of),
    ]


async def _offered(
    tenant: Client, per_second: float, seconds: float, client: str = "client"
) -> Seen:
    """*per_second* questions at random times for *seconds*, and all their ends."""
    seen = Seen()
    draw = random.Random(client)
    loop = asyncio.get_running_loop()
    began, due = loop.time(), 0.0
    async with asyncio.TaskGroup() as group:
        while (due := due + draw.expovariate(per_second)) < seconds:
            await asyncio.sleep(began + due - loop.time())
            group.create_task(_one(tenant, seen))
    return seen


def _refused_ms(line: str) -> float | None:
    if '"status": 503' not in line and '"status":503' not in line:
        return None
    return float(orjson.loads(line)["ms"])


def _one(tenant: Client, seen: Seen) -> Coroutine[Any, Any, None]:
    global _asked  # noqa: PLW0603 - no question twice in a run
    _asked += 1
    return _ask(tenant, text.question(_asked, documents=DOCUMENTS), seen)


async def _ask(tenant: Client, question: str, seen: Seen) -> None:
    body = {"question": question, "stream": True, "cache": "bypass"}
    headers = {"authorization": f"Bearer {tenant.key}", "content-type": "application/json"}
    started, first, last = time.perf_counter(), 0.0, b""
    try:
        async with tenant.session.post(
            f"{tenant.url}/v1/query", data=orjson.dumps(body), headers=headers
        ) as response:
            if response.status == 503:
                await response.read()
                seen.refused.append(time.perf_counter() - started)
                return
            async for part in response.content.iter_any():
                if not first and b"event: delta" in part:
                    first = time.perf_counter() - started
                last = last[-200:] + part
    except aiohttp.ClientError:
        last = b""
    if b"event: done" in last and first:
        seen.first.append(first)
        seen.done_at.append(time.perf_counter())
    else:
        seen.broken += 1


_asked = 0
