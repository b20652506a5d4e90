import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from typing import Any

import pytest
from aiohttp import web
from bench.simulator import Behaviour
from tests.unit.generation.scripted_upstream import question, serving
from tests.unit.generation.upstreams import (
    DOWN,
    FAST,
    SILENT,
    answered,
    fallback,
    member,
    simulators,
)

from carrel.domain.answer import Message
from carrel.domain.errors import GenerationFailed
from carrel.generation.fallback.generator import FallbackGenerator
from carrel.generation.generator import Asking, Delta
from carrel.remote.breaker import FAILURES
from carrel.remote.retrying import SAVED

pytestmark = pytest.mark.usefixtures("unblocked_loop")


async def failure(generator: FallbackGenerator, **changes: Any) -> GenerationFailed:
    with pytest.raises(GenerationFailed) as caught:
        await answered(generator, question(**changes))
    return caught.value


async def test_the_lowest_priority_number_is_asked_first() -> None:
    async with (
        simulators(FAST, FAST) as (first, second),
        fallback(
            member(second.base_url, "second", priority=2), member(first.base_url, "first")
        ) as generator,
    ):
        for _ in range(5):
            askings, _, finish = await answered(generator)
            assert (askings, finish.model) == ([], "model-first")
        assert generator.models == ("model-first", "model-second")
        assert second.stats.requests == 0


async def test_within_a_priority_weights_share_the_requests() -> None:
    async with (
        simulators(FAST, FAST) as (heavy, light),
        fallback(
            member(heavy.base_url, "heavy", weight=3),
            member(light.base_url, "light", weight=1),
            draw=random.Random(1).random,
        ) as generator,
    ):
        models = Counter([(await answered(generator))[2].model for _ in range(200)])
    assert 130 <= models["model-heavy"] <= 170


async def test_the_next_is_asked_where_the_first_fails_before_a_word() -> None:
    async with (
        simulators(DOWN, FAST) as (first, second),
        fallback(
            member(first.base_url, "first"), member(second.base_url, "second", priority=2)
        ) as generator,
    ):
        askings, text, finish = await answered(generator)
        assert askings == [Asking("model-second", charged=False)]
        assert text
        assert finish.model == "model-second"


async def test_what_may_have_been_charged_is_told() -> None:
    async with (
        simulators(SILENT, FAST) as (first, second),
        fallback(
            member(first.base_url, "first", first_token_timeout_seconds=0.1),
            member(second.base_url, "second", priority=2),
        ) as generator,
    ):
        assert generator.prompts_at_most == 2
        assert (await answered(generator))[0] == [Asking("model-second", charged=True)]


async def test_no_third_prompt_is_charged_for_one_answer() -> None:
    async with (
        simulators(SILENT, SILENT, FAST) as (first, second, third),
        fallback(
            member(first.base_url, "first", first_token_timeout_seconds=0.1),
            member(second.base_url, "second", priority=2, first_token_timeout_seconds=0.1),
            member(third.base_url, "third", priority=3),
        ) as generator,
    ):
        failed = await failure(generator)
        assert (failed.reason, failed.billable) == ("timeout_first_token", True)
        assert third.stats.requests == 0


@pytest.mark.parametrize("fault", ["stall-after-3", "cut-after-3", "error-after-3"])
async def test_after_the_first_token_nobody_else_is_asked(fault: str) -> None:
    behaviour = FAST.for_model(f"sim-{fault}")
    async with (
        simulators(behaviour, FAST) as (first, second),
        fallback(
            member(first.base_url, "first", token_timeout_seconds=0.1),
            member(second.base_url, "second", priority=2),
        ) as generator,
    ):
        parts = generator.generate(question())
        assert isinstance(await anext(parts), Delta)
        with pytest.raises(GenerationFailed) as caught:
            async for _ in parts:
                pass
        assert caught.value.billable
        assert second.stats.requests == 0


async def test_a_model_that_is_named_is_the_one_that_answers() -> None:
    async with (
        simulators(FAST, FAST) as (first, second),
        fallback(
            member(first.base_url, "first"), member(second.base_url, "second", priority=2)
        ) as generator,
    ):
        askings, _, finish = await answered(generator, question(model="model-second"))
        assert (askings, finish.model) == ([], "model-second")
        second.behaviour = DOWN
        assert (await failure(generator, model="model-second")).reason == "upstream_error"
        assert first.stats.requests == 0


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [True, False])
async def test_one_that_asks_to_wait_is_left_alone(status: int, *, as_date: bool) -> None:
    asked = 0

    async def limiting(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        then = datetime.now(UTC) + timedelta(seconds=30)
        wait = format_datetime(then, usegmt=True) if as_date else "30"
        return web.Response(status=status, headers={"Retry-After": wait})

    async with (
        serving(limiting) as base_url,
        simulators(FAST) as (second,),
        fallback(
            member(base_url, "first"), member(second.base_url, "second", priority=2)
        ) as generator,
    ):
        for _ in range(20):
            assert (await answered(generator))[2].model == "model-second"
        assert asked == 1
        failed = await failure(generator, model="model-first")
        assert failed.reason == "waiting"
        assert 25 <= failed.retry_after_seconds <= 30
        assert asked == 1


async def test_one_that_asked_to_wait_is_asked_again_afterwards() -> None:
    async with (
        simulators(Behaviour(status=429, retry_after_seconds=1)) as (only,),
        fallback(member(only.base_url)) as generator,
    ):
        assert (await failure(generator)).reason == "rate_limited"
        only.behaviour = FAST
        assert (await failure(generator)).reason == "waiting"
        await asyncio.sleep(1.1)
        assert (await answered(generator))[1]


async def test_a_breaker_opens_and_one_probe_closes_it() -> None:
    async with (
        simulators(DOWN) as (only,),
        fallback(member(only.base_url, pause_seconds=0.2)) as generator,
    ):
        for _ in range(FAILURES):
            assert (await failure(generator)).reason == "upstream_error"
        refused = [await failure(generator) for _ in range(20)]
        assert {each.reason for each in refused} == {"open"}
        assert "HTTP 500" in refused[0].message
        assert only.stats.requests == FAILURES

        only.behaviour = Behaviour(ttft_ms=200, tokens_per_second=0, tokens=10)
        await asyncio.sleep(0.25)
        asking = [asyncio.create_task(answered(generator)) for _ in range(20)]
        done = await asyncio.gather(*asking, return_exceptions=True)
        assert sum(not isinstance(each, Exception) for each in done) == 1
        assert only.stats.requests == FAILURES + 1
        assert (await answered(generator))[1]


async def test_a_probe_that_is_left_makes_room_for_the_next() -> None:
    async with (
        simulators(DOWN) as (only,),
        fallback(member(only.base_url, pause_seconds=0.2)) as generator,
    ):
        for _ in range(FAILURES):
            await failure(generator)
        only.behaviour = SILENT
        await asyncio.sleep(0.25)
        probing = asyncio.create_task(answered(generator))
        async with asyncio.timeout(5):
            await only.stats.until(lambda stats: stats.open == 1)
        assert (await failure(generator)).reason == "open"
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
        only.behaviour = FAST
        assert (await answered(generator))[1]


async def test_an_upstream_that_fails_every_other_request_is_left_alone() -> None:
    turns = count()

    async def flaky(request: web.Request) -> web.StreamResponse:
        if next(turns) % 3:
            return web.Response(status=500)
        body = b'data: {"choices":[{"delta":{"content":"Yes"},"finish_reason":"stop"}]}\n\n'
        return web.Response(body=body + b"data: [DONE]\n\n", content_type="text/event-stream")

    async with serving(flaky) as base_url, fallback(member(base_url)) as generator:
        for _ in range(40):
            await asyncio.gather(answered(generator), return_exceptions=True)
    assert next(turns) < 25


async def test_a_request_that_is_refused_is_no_outage() -> None:
    async with (
        simulators(Behaviour(status=400)) as (only,),
        fallback(member(only.base_url)) as generator,
    ):
        for _ in range(3 * FAILURES):
            assert (await failure(generator)).reason == "refused"


async def test_a_total_outage_is_not_answered_with_retries() -> None:
    # Breakers that never open, so that nothing but the budget holds.
    async with simulators(DOWN, DOWN, DOWN) as upstreams:
        members = [
            member(each.base_url, f"u{number}", priority=number, pause_seconds=0)
            for number, each in enumerate(upstreams)
        ]
        async with fallback(*members, retry_share=0.2) as generator:
            for _ in range(200):
                await failure(generator)
        sent = sum(each.stats.requests for each in upstreams)
        assert sent <= 200 + SAVED + 0.2 * 200


async def test_breakers_and_budget_together_spare_upstreams_that_are_gone() -> None:
    async with simulators(DOWN, DOWN) as upstreams:
        members = [member(each.base_url, str(n)) for n, each in enumerate(upstreams)]
        async with fallback(*members) as generator:
            for _ in range(500):
                await failure(generator)
        assert sum(each.stats.requests for each in upstreams) == 2 * FAILURES


async def test_one_that_is_full_is_passed_over_and_all_full_is_a_refusal() -> None:
    slow = Behaviour(ttft_ms=0, tokens_per_second=20, tokens=1000)
    async with (
        simulators(slow, slow) as (first, second),
        fallback(
            member(first.base_url, "first", max_concurrency=2),
            member(second.base_url, "second", priority=2, max_concurrency=1),
        ) as generator,
    ):
        assert generator.capacity == 3
        writing = [generator.generate(question()) for _ in range(3)]
        for each in writing:
            while not isinstance(await anext(each), Delta):
                pass
        assert (first.stats.open, second.stats.open) == (2, 1)
        failed = await failure(generator)
        assert (failed.reason, failed.retry_after_seconds) == ("full", 1)
        assert not failed.billable
        await writing[0].aclose()
        again = generator.generate(question())
        assert isinstance(await anext(again), Delta)
        for each in (*writing, again):
            await each.aclose()


async def test_an_answer_has_one_deadline_for_all_attempts() -> None:
    async with (
        simulators(SILENT, SILENT) as (first, second),
        fallback(
            member(first.base_url, "first", first_token_timeout_seconds=0.2),
            member(second.base_url, "second", priority=2, first_token_timeout_seconds=30),
            total_seconds=0.5,
        ) as generator,
    ):
        assert (await failure(generator)).reason == "timeout_total"


async def test_short_texts_are_written_by_whoever_is_free() -> None:
    async with (
        simulators(Behaviour(status=429, retry_after_seconds=30), FAST) as (first, second),
        fallback(
            member(first.base_url, "first"), member(second.base_url, "second", priority=2)
        ) as generator,
    ):
        said = [Message("user", "Say it again")]
        with pytest.raises(GenerationFailed):
            await generator.complete(said, max_tokens=20)
        text, finish = await generator.complete(said, max_tokens=20)
        assert (bool(text), finish.model) == (True, "model-second")
