"""How the adapter asks, what it makes of refusals, and what becomes of its connections."""

import asyncio
import socket
from contextlib import aclosing

import pytest
from aiohttp import web
from bench.simulator import Behaviour, Simulator
from tests.unit.generation.scripted_upstream import (
    collect,
    generator_for,
    question,
    sending,
    serving,
    turn,
)

from carrel.domain.errors import GenerationFailed
from carrel.generation import completion_stream
from carrel.generation.generator import Delta, Finish

AT_ONCE = Behaviour(ttft_ms=0, tokens_per_second=0, tokens=20)
KEY = "sk-a-very-secret-key-0123456789"


async def failure(base_url: str, **options: object) -> GenerationFailed:
    generator = generator_for(base_url, **options)
    try:
        with pytest.raises(GenerationFailed) as caught:
            await collect(generator)
    finally:
        await generator.close()
    return caught.value


async def test_a_request_is_streamed_at_temperature_zero_with_usage_asked_for() -> None:
    async with Simulator(AT_ONCE) as upstream:
        generator = generator_for(upstream.base_url + "/")
        await collect(generator, question(max_tokens=7, history=[turn("system", "é")]))
        await generator.close()
        sent = upstream.last_request
        messages = sent.pop("messages")
        assert [message["role"] for message in messages] == ["system", "user"]
        assert all(set(message) == {"role", "content"} for message in messages)
        assert sent == {
            "model": "a-model",
            "max_tokens": 7,
            "temperature": 0.0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }


async def test_the_limit_goes_where_newer_models_want_it_and_the_temperature_away() -> None:
    async with Simulator(AT_ONCE) as upstream:
        generator = generator_for(
            upstream.base_url, temperature=None, limit_field="max_completion_tokens"
        )
        await collect(generator, question(max_tokens=7))
        await generator.close()
        assert upstream.last_request["max_completion_tokens"] == 7
        assert not {"max_tokens", "temperature"} & set(upstream.last_request)


async def test_the_model_of_the_request_is_asked_for_and_reported() -> None:
    async with Simulator(AT_ONCE) as upstream:
        generator = generator_for(upstream.base_url)
        assert (await collect(generator, question(model="another")))[1].model == "another"
        assert (await collect(generator))[1].model == "a-model" == generator.model
        await generator.close()


@pytest.mark.parametrize(("key", "header"), [(KEY, f"Bearer {KEY}"), (None, None)])
async def test_the_key_is_sent_as_a_bearer_token(key: str | None, header: str | None) -> None:
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        return web.Response(status=500)

    async with serving(handler) as base_url:
        await failure(base_url, api_key=key)
    assert seen == [header]


@pytest.mark.parametrize(
    ("status", "headers", "reason", "retry_after"),
    [
        (400, {}, "refused", 30),
        (401, {}, "misconfigured", 30),
        (404, {}, "misconfigured", 30),
        (413, {}, "refused", 30),
        (408, {}, "upstream_error", 1),
        (429, {}, "rate_limited", 1),
        (429, {"Retry-After": "17"}, "rate_limited", 17),
        (500, {}, "upstream_error", 1),
        (503, {"Retry-After": "5"}, "upstream_error", 5),
        (302, {"Location": "/stolen"}, "bad_response", 1),
    ],
)
async def test_a_status_is_a_failure_with_a_reason_and_a_time_to_wait(
    status: int, headers: dict[str, str], reason: str, retry_after: int
) -> None:
    requests: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        requests.append(request.path)
        return web.Response(status=status, headers=headers, text='{"error": {"message": "No"}}')

    async with serving(handler) as base_url:
        failed = await failure(base_url)
    assert (failed.reason, failed.retry_after_seconds) == (reason, retry_after)
    assert requests == ["/v1/chat/completions"]


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
async def test_no_error_repeats_the_key_or_the_address(status: int) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        said = f"Key {KEY} may not call {request.url}"
        return web.json_response({"error": {"message": said}}, status=status)

    async with serving(handler) as base_url:
        message = (await failure(base_url, api_key=KEY)).message
    assert KEY not in message
    assert "127.0.0.1" not in message


@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
async def test_a_body_that_is_no_stream_is_a_bad_response(content_type: str) -> None:
    endless = sending(b"{}", asyncio.Event(), content_type=content_type)
    async with serving(endless) as base_url:
        generator = generator_for(base_url, max_connections=1, connect_timeout_seconds=0.2)
        for _ in range(2):  # the second needs the connection that the first let go
            with pytest.raises(GenerationFailed, match=content_type) as caught:
                await collect(generator)
            assert caught.value.reason == "bad_response"
        await generator.close()


async def test_an_upstream_that_does_not_listen_is_a_connect_failure() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        failed = await failure(f"http://127.0.0.1:{unheard.getsockname()[1]}/v1")
    assert failed.reason == "connect"
    assert "127.0.0.1" not in failed.message


@pytest.mark.parametrize("base_url", ["not a url", "ftp://127.0.0.1", "http://"])
async def test_an_address_that_is_none_is_a_connect_failure(base_url: str) -> None:
    assert (await failure(base_url)).reason == "connect"


async def test_an_upstream_that_accepts_and_never_answers_times_out() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(handler) as base_url:
        failed = await failure(base_url, first_token_timeout_seconds=0.05)
    assert failed.reason == "timeout_first_token"


async def test_when_all_connections_are_in_use_the_next_generation_fails_to_connect() -> None:
    async with Simulator(AT_ONCE) as upstream:
        generator = generator_for(
            upstream.base_url, max_connections=1, connect_timeout_seconds=0.05
        )
        async with aclosing(generator.generate(question(model="sim-stall-after-1"))) as held:
            await anext(held)
            with pytest.raises(GenerationFailed) as caught:
                await collect(generator)
        assert caught.value.reason == "connect"
        assert (await collect(generator))[0]  # the connection is free again
        await generator.close()


async def test_generations_one_after_the_other_share_a_connection() -> None:
    async with Simulator(AT_ONCE) as upstream:
        generator = generator_for(upstream.base_url)
        for _ in range(5):
            await collect(generator)
        await generator.close()
        assert upstream.stats.connections == 1


async def test_a_stream_that_ends_a_little_after_done_keeps_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(completion_stream, "DRAIN_SECONDS", 30)
    connections: set[object] = set()
    ending = asyncio.Event()
    done = b'data: {"choices":[{"delta":{"content":"Yes"}}]}\n\ndata: [DONE]\n\n'
    send = sending(done, ending)

    async def handler(request: web.Request) -> web.StreamResponse:
        connections.add(request.transport)
        return await send(request)

    async with serving(handler) as base_url:
        generator = generator_for(base_url)
        async for part in generator.generate(question()):
            if isinstance(part, Finish):
                ending.set()
        await collect(generator)
        await generator.close()
    assert len(connections) == 1


async def test_closing_a_generation_cuts_it_upstream() -> None:
    async with Simulator(Behaviour(ttft_ms=0, tokens=10_000)) as upstream:
        generator = generator_for(upstream.base_url)
        reading = generator.generate(question(max_tokens=10_000))
        assert isinstance(await anext(reading), Delta)
        await reading.aclose()
        await upstream.stats.until(lambda stats: stats.cancelled_by_client == 1)
        await generator.close()


@pytest.mark.parametrize("model", ["sim-stall-after-0", "sim-ttft-60000"])
async def test_cancelling_a_generation_that_waits_cuts_it_upstream(model: str) -> None:
    async with Simulator(AT_ONCE) as upstream:
        generator = generator_for(upstream.base_url)
        reading = asyncio.create_task(collect(generator, question(model=model)))
        await upstream.stats.until(lambda stats: stats.open == 1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await upstream.stats.until(lambda stats: stats.cancelled_by_client == 1)
        await generator.close()


async def test_a_stalled_upstream_is_let_go() -> None:
    async with Simulator(AT_ONCE) as upstream:
        failed = await failure(
            upstream.base_url, model="sim-stall-after-3", token_timeout_seconds=0.05
        )
        assert failed.reason == "timeout_between_tokens"
        await upstream.stats.until(lambda stats: stats.cancelled_by_client == 1)


async def test_an_idle_connection_that_the_upstream_has_closed_is_replaced() -> None:
    """The upstream closes each connection when a second request comes over it."""
    requests: list[int] = []
    body = b'data: {"choices":[{"delta":{"content":"Yes"},"finish_reason":"stop"}]}\n\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in (1, 2):
            asked = await reader.readuntil(b"\r\n\r\n")
            length = asked.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            requests.append(number)
            if number == 1:
                writer.write(head % len(body) + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    generator = generator_for(f"http://127.0.0.1:{port}/v1")
    assert (await collect(generator))[0] == "Yes"
    assert (await collect(generator))[0] == "Yes"
    assert requests == [1, 2, 1]
    await generator.close()
    server.close()


async def test_no_cookie_ties_two_requests_together() -> None:
    cookies: list[str | None] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(status=500, headers={"Set-Cookie": "who=acme"})

    async with serving(handler) as base_url:
        generator = generator_for(base_url)
        for _ in range(2):
            with pytest.raises(GenerationFailed):
                await collect(generator)
        await generator.close()
    assert cookies == [None, None]


async def test_closing_the_generator_cuts_the_generations_under_way() -> None:
    async with Simulator(AT_ONCE) as upstream:
        generator = generator_for(upstream.base_url)
        reading = generator.generate(question(model="sim-stall-after-1"))
        await anext(reading)
        await generator.close()
        with pytest.raises(GenerationFailed):
            await anext(reading)


async def test_a_closed_generator_says_so() -> None:
    generator = generator_for("http://127.0.0.1:9/v1")
    await generator.close()
    with pytest.raises(GenerationFailed) as caught:
        await collect(generator)
    assert caught.value.reason == "closed"
