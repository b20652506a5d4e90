"""What upstreams send in a stream that they accepted, fed byte for byte."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from tests.unit.generation.scripted_upstream import (
    collect,
    generator_for,
    question,
    serving,
    streaming,
)

from carrel.domain.errors import GenerationFailed
from carrel.generation import completion_stream
from carrel.generation.event_stream import MAX_EVENT_BYTES
from carrel.generation.generator import Delta, Finish
from carrel.generation.openai_compatible import OpenAICompatibleGenerator
from carrel.telemetry.loop import lateness

DONE = b"data: [DONE]\n\n"
PING = b": keep-alive\n\n"


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def chunk(delta: object = None, finish_reason: str | None = None, **fields: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return event({"object": "chat.completion.chunk", "choices": [choice], **fields})


def text(content: str) -> bytes:
    return chunk({"content": content})


STOP = chunk({}, "stop")
ROLE = chunk({"role": "assistant", "content": ""})
USAGE = event({"choices": [], "usage": {"prompt_tokens": 70, "completion_tokens": 9}})


async def failure(*parts: bytes | asyncio.Event, **options: Any) -> tuple[str, GenerationFailed]:
    """What was said before the failure, and the failure."""
    said: list[str] = []

    async def listen(generator: OpenAICompatibleGenerator) -> None:
        async for part in generator.generate(question()):
            assert isinstance(part, Delta)
            said.append(part.text)

    async with streaming(*parts, **options) as generator:
        with pytest.raises(GenerationFailed) as caught:
            await listen(generator)
    return "".join(said), caught.value


async def test_text_comes_in_order_and_usage_from_the_chunk_without_choices() -> None:
    async with streaming(ROLE, text("Thirty"), text(" days"), STOP, USAGE, DONE) as generator:
        assert await collect(generator) == ("Thirty days", Finish("stop", "a-model", 70, 9))


async def test_tokens_that_arrive_together_come_as_one_delta() -> None:
    async with streaming(text("Thirty") + text(" days") + STOP + DONE) as generator:
        first = await anext(aiter(generator.generate(question())))
        assert first == Delta("Thirty days")


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop of this process is late, as far as it is told."""
    monkeypatch.setattr(lateness, "seconds", completion_stream.BUSY_SECONDS)
    monkeypatch.setattr(completion_stream, "TOGETHER_SECONDS", 0.5)


async def test_in_a_busy_process_tokens_wait_for_each_other_but_not_the_first(busy: None) -> None:
    more, most = asyncio.Event(), asyncio.Event()
    parts = (text("Thirty"), more, text(" days"), most, text(" or more"), STOP, DONE)
    async with streaming(*parts) as generator:
        written = generator.generate(question())
        assert await anext(written) == Delta("Thirty")
        next_one = asyncio.ensure_future(anext(written))
        for written_on in (more, most):
            written_on.set()
            await asyncio.sleep(0.05)
        assert await next_one == Delta(" days or more")
        assert isinstance(await anext(written), Finish)
        await written.aclose()


async def test_what_was_waiting_is_not_lost_with_the_stream(busy: None) -> None:
    said, error = await failure(text("Thirty"), text(" days"))
    assert (said, error.reason) == ("Thirty days", "upstream_error")


async def test_a_stream_that_arrives_byte_by_byte_reads_the_same() -> None:
    stream = PING + text("Přílišné 🐎") + text(" ano") + STOP + USAGE + DONE
    async with streaming(*(bytes([byte]) for byte in stream)) as generator:
        assert (await collect(generator))[0] == "Přílišné 🐎 ano"


async def test_windows_line_breaks_and_comments_are_read() -> None:
    stream = PING + text("Thirty") + PING + text(" days") + STOP + DONE
    async with streaming(stream.replace(b"\n", b"\r\n")) as generator:
        assert (await collect(generator))[0] == "Thirty days"


async def test_tokens_are_counted_where_the_upstream_reports_no_usage() -> None:
    async with streaming(text("Thirty long days"), STOP, DONE) as generator:
        finish = (await collect(generator))[1]
        assert finish.completion_tokens == 3
        assert finish.prompt_tokens > 50  # the rules, the source and the question


async def test_a_usage_of_zero_is_not_believed() -> None:
    nothing = {"prompt_tokens": 0, "completion_tokens": 0}
    async with streaming(text("Thirty days"), chunk({}, "stop", usage=nothing), DONE) as generator:
        assert (await collect(generator))[1].completion_tokens == 2


async def test_the_last_of_several_usage_reports_counts() -> None:
    def reported(n: int) -> bytes:
        usage = {"prompt_tokens": 70, "completion_tokens": n}
        return chunk({"content": "x"}, usage=usage)

    async with streaming(reported(1), reported(2), STOP, DONE) as generator:
        assert (await collect(generator))[1].completion_tokens == 2


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("model_length", "length"),
        ("end_turn", "stop"),
        ("tool_calls", "stop"),
    ],
)
async def test_finish_reasons_become_stop_or_length(theirs: str, ours: str) -> None:
    async with streaming(text("x"), chunk({}, theirs), DONE) as generator:
        assert (await collect(generator))[1].finish_reason == ours


async def test_absent_and_null_fields_are_no_text() -> None:
    odd = (
        event({"choices": [], "prompt_filter_results": []})
        + event({"choices": None})
        + event({"choices": [{"index": 0}]})
        + chunk(None)
        + chunk({"content": None, "tool_calls": None}, usage=None, error=None)
        + b"data:\n\n"
    )
    async with streaming(odd + text("Yes") + STOP + DONE) as generator:
        assert (await collect(generator))[0] == "Yes"


async def test_text_in_parts_is_joined_without_the_reasoning() -> None:
    parts = [{"type": "thinking", "text": "Let me see"}, {"type": "text", "text": "Yes"}]
    async with streaming(chunk({"content": parts}), STOP, DONE) as generator:
        assert (await collect(generator))[0] == "Yes"


async def test_reasoning_is_no_part_of_the_answer() -> None:
    thinking = chunk({"reasoning_content": "Let me see"})
    async with streaming(thinking, text("Yes"), STOP, DONE) as generator:
        assert (await collect(generator))[0] == "Yes"


async def test_a_stream_without_done_ends_with_its_finish_reason() -> None:
    async with streaming(text("Yes"), STOP) as generator:
        assert (await collect(generator))[0] == "Yes"


async def test_a_last_event_without_a_line_break_is_read() -> None:
    async with streaming(text("Yes"), STOP.rstrip()) as generator:
        assert (await collect(generator))[1].finish_reason == "stop"


async def test_done_without_a_finish_reason_is_an_end() -> None:
    async with streaming(text("Yes"), DONE) as generator:
        assert (await collect(generator))[1].finish_reason == "stop"


async def test_nothing_after_done_is_read() -> None:
    async with streaming(text("Yes") + STOP + DONE + text(" no")) as generator:
        assert (await collect(generator))[0] == "Yes"


async def test_a_connection_that_breaks_after_the_finish_reason_costs_only_the_usage() -> None:
    async with streaming(text("Yes"), STOP, cut=True) as generator:
        assert (await collect(generator))[1].completion_tokens == 1


async def test_an_upstream_that_falls_silent_after_the_finish_reason_has_finished() -> None:
    silence = asyncio.Event()
    async with streaming(text("Yes"), STOP, silence, token_timeout_seconds=0.05) as generator:
        assert (await collect(generator))[0] == "Yes"


@pytest.mark.parametrize("cut", [True, False])
async def test_a_stream_that_ends_half_way_is_a_failure_after_its_text(cut: bool) -> None:
    said, failed = await failure(text("Thirty"), cut=cut)
    assert (said, failed.reason) == ("Thirty", "upstream_error")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"error": {"message": "Engine died", "code": 500}}, "upstream_error"),
        ({"error": "Engine died"}, "upstream_error"),
        ({"object": "error", "message": "Engine died", "code": 500}, "upstream_error"),
        ({"type": "error", "message": "Engine died"}, "upstream_error"),
        ({"error": {"message": "Engine died", "code": 429}}, "rate_limited"),
        ({"error": {"message": "Engine died", "type": "rate_limit_error"}}, "rate_limited"),
    ],
)
async def test_an_error_inside_the_stream_comes_after_the_text_before_it(
    error: object, reason: str
) -> None:
    said, failed = await failure(text("Thirty") + event(error) + text("never"))
    assert (said, failed.reason) == ("Thirty", reason)
    assert 'it said: "Engine died"' in failed.message


async def test_an_answer_that_the_provider_withholds_is_refused() -> None:
    said, failed = await failure(text("I"), chunk({}, "content_filter"), DONE)
    assert (said, failed.reason) == ("I", "withheld")
    assert "content filter" in failed.message


async def test_an_answer_that_is_not_over_by_its_deadline_is_cut() -> None:
    latest = asyncio.get_running_loop().time() + 0.1
    async with streaming(text("Thirty"), asyncio.Event()) as generator:
        parts = generator.generate(question(deadline=latest))
        assert await anext(parts) == Delta("Thirty")
        with pytest.raises(GenerationFailed) as caught:
            await anext(parts)
        assert caught.value.reason == "timeout_total"
        assert caught.value.billable


@pytest.mark.parametrize(
    "junk",
    [b"data: {broken\n\n", b"data: [1]\n\n", b'data: {"choices": 7}\n\n', b"data: \xff\xfe\n\n"],
)
async def test_what_is_no_completion_chunk_is_a_bad_response(junk: bytes) -> None:
    said, failed = await failure(text("Thirty") + junk)
    assert (said, failed.reason) == ("Thirty", "bad_response")


async def test_an_event_without_end_is_a_bad_response() -> None:
    endless = b"data: " + b"x" * (MAX_EVENT_BYTES + 1)
    assert (await failure(endless, asyncio.Event()))[1].reason == "bad_response"


@pytest.mark.parametrize("start", [b"", PING, ROLE])
async def test_an_upstream_that_sends_no_token_times_out(start: bytes) -> None:
    failed = (await failure(start, asyncio.Event(), first_token_timeout_seconds=0.1))[1]
    assert failed.reason == "timeout_first_token"


@pytest.mark.parametrize("begin", [text("Thirty"), chunk({"reasoning_content": "Let me see"})])
async def test_comments_do_not_put_off_the_timeout_between_tokens(begin: bytes) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(begin)
        while True:
            await response.write(PING)
            await asyncio.sleep(0.01)

    async with serving(handler) as base_url:
        generator = generator_for(base_url, token_timeout_seconds=0.2)
        with pytest.raises(GenerationFailed) as caught:
            await collect(generator)
        await generator.close()
    assert caught.value.reason == "timeout_between_tokens"


async def test_reasoning_counts_as_the_first_token() -> None:
    thinking = chunk({"reasoning": "Let me see"})
    failed = (await failure(thinking, asyncio.Event(), token_timeout_seconds=0.05))[1]
    assert failed.reason == "timeout_between_tokens"


async def test_a_slow_reader_is_not_taken_for_a_stalled_upstream() -> None:
    second, third = asyncio.Event(), asyncio.Event()
    parts = text("Thirty"), second, text(" days"), third, text(" or so"), STOP, DONE
    async with streaming(*parts, token_timeout_seconds=0.4) as generator:
        reading = generator.generate(question())
        assert await anext(reading) == Delta("Thirty")
        second.set()
        assert await anext(reading) == Delta(" days")
        await asyncio.sleep(0.8)
        third.set()
        assert await anext(reading) == Delta(" or so")
        assert isinstance(await anext(reading), Finish)
