"""Redis is down, slow or comes and goes: answers go on, and no budget is spent unseen."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.faults.proxy import Proxy
from tests.faults.stage import Stage, stage

from carrel.limits.books import RECOVERY_SECONDS

Fault = Callable[[Proxy], None]
BUDGET = {"usd": "1", "period": "day"}


def refuse(way: Proxy) -> None:
    way.refuses = True
    way.cut()


def stall(way: Proxy) -> None:
    way.replies.clear()


def slow_down(way: Proxy) -> None:
    way.delay_seconds = 0.5  # ten times what is waited for


def heal(way: Proxy) -> None:
    way.refuses, way.delay_seconds = False, 0.0
    way.replies.set()


@pytest.fixture
async def way(redis_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(redis_url).serving() as way:
        yield way


@pytest.fixture
async def house(way: Proxy, tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path, {"CARREL_REDIS_URL": way.url}) as house:
        yield house


@pytest.mark.parametrize("fault", [refuse, stall, slow_down])
async def test_without_redis_answers_go_on_and_budgets_refuse(
    house: Stage, way: Proxy, fault: Fault
):
    fault(way)
    for number in range(10):
        status, answer = await house.ask(f"How long do refunds take, {number}?")
        assert status == 200, answer
    assert (await house.stream()).last == "done"
    await house.allow(budget=BUDGET)
    status, answer = await house.ask()
    assert (status, answer["error"]["code"]) == (503, "unavailable")
    assert house.model.stats.requests == 11, "nothing was asked that could not be paid for"


@pytest.mark.parametrize("fault", [refuse, stall])
async def test_a_tenant_that_may_go_on_has_its_answers(house: Stage, way: Proxy, fault: Fault):
    await house.allow(budget={**BUDGET, "on_outage": "allow"})
    assert (await house.ask())[0] == 200
    fault(way)
    for number in range(5):
        status, answer = await house.ask(f"How long do refunds take, {number}?")
        assert status == 200, answer


async def test_once_redis_is_back_budgets_are_kept_again(house: Stage, way: Proxy):
    await house.allow(budget=BUDGET)
    stall(way)
    assert (await house.ask())[0] == 503
    heal(way)
    async with asyncio.timeout(RECOVERY_SECONDS + 20):
        while (await house.ask())[0] != 200:  # noqa: ASYNC110 - it is another process that recovers
            await asyncio.sleep(0.2)


async def test_a_stream_outlives_the_redis_that_its_log_is_in(house: Stage, way: Proxy):
    async with house.streaming(cache="use") as streamed:
        refuse(way)
        await streamed.rest()
    assert (streamed.last, streamed.cut) == ("done", False)
    assert streamed.text == streamed.events[-1][1]["answer"]
