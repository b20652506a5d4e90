"""The model is slow, refuses, stalls or breaks off: a clear error, and what was used is billed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench.simulator.behaviour import Behaviour
from tests.faults.stage import MODEL, Stage, stage


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as house:
        yield house


async def test_a_model_that_asks_for_patience_is_given_it(house: Stage):
    house.model.behaviour = replace(MODEL, status=429, retry_after_seconds=7)
    headers = {"authorization": f"Bearer {house.tenant.key}"}
    url, body = f"{house.tenant.url}/v1/query", {"question": "How long do refunds take?"}
    async with house.tenant.session.post(url, json=body, headers=headers) as response:
        told = response.headers["retry-after"]
        assert (response.status, (await response.json())["error"]["code"]) == (503, "unavailable")
    assert told == "7"


async def test_a_model_that_never_begins_is_given_up(house: Stage):
    house.model_way.replies.clear()
    status, answer = await house.ask()
    assert (status, answer["error"]["code"]) == (503, "unavailable")
    house.model_way.replies.set()
    assert (await house.ask())[0] == 200


async def test_a_stream_that_is_reset_ends_in_an_error_and_is_billed(house: Stage):
    house.model_way.cut_after_bytes = 2_000
    streamed = await house.stream()
    assert (streamed.status, streamed.last, streamed.cut) == (200, "error", False)
    assert streamed.text
    assert 0 < (await house.usage(1))["completion_tokens"] < MODEL.tokens
    house.model_way.cut_after_bytes = None
    assert (await house.stream()).last == "done"


async def test_a_way_that_stalls_in_mid_stream_ends_in_an_error_and_is_billed(house: Stage):
    house.model.behaviour = Behaviour(ttft_ms=5, tokens_per_second=20, tokens=200)
    async with house.streaming() as streamed:
        house.model_way.replies.clear()
        await streamed.rest()
    assert (streamed.last, streamed.cut) == ("error", False)
    assert (await house.usage(1))["completion_tokens"] > 0


async def test_a_slow_way_delays_tokens_and_loses_none(house: Stage):
    house.model_way.delay_seconds = 0.3
    streamed = await house.stream()
    assert streamed.last == "done"
    assert streamed.text == streamed.events[-1][1]["answer"]
    assert streamed.events[-1][1]["usage"]["completion_tokens"] == MODEL.tokens
