import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import orjson
import pytest
from bench.simulator import Behaviour, Simulator

SOURCE = '<source n="4" title="Refunds">\nRefunds take thirty days.\n</source>\nHow long?'
AT_ONCE = Behaviour(ttft_ms=0, tokens_per_second=0, tokens=30)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(AT_ONCE) as simulator:
        yield simulator


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def body(model: str = "sim", *, stream: bool = False, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": SOURCE}]
    return {"model": model, "messages": messages, "stream": stream} | fields


async def ask(
    http: aiohttp.ClientSession, simulator: Simulator, request: dict[str, Any]
) -> tuple[int, Any]:
    async with http.post(f"{simulator.base_url}/chat/completions", json=request) as response:
        return response.status, await response.json()


async def stream(
    http: aiohttp.ClientSession, simulator: Simulator, request: dict[str, Any]
) -> list[dict[str, Any]]:
    async with http.post(f"{simulator.base_url}/chat/completions", json=request) as response:
        *events, done, _ = (await response.read()).split(b"\n\n")
    assert done == b"data: [DONE]"
    return [orjson.loads(event.removeprefix(b"data: ")) for event in events]


def text_of(chunks: list[dict[str, Any]]) -> str:
    return "".join(
        chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"]
    )


async def test_the_official_client_reads_it_streamed_and_whole(simulator: Simulator) -> None:
    async with openai.AsyncOpenAI(base_url=simulator.base_url, api_key="any") as client:
        messages: list[Any] = [{"role": "user", "content": SOURCE}]
        whole = await client.chat.completions.create(model="sim", messages=messages)
        chunks = [
            chunk
            async for chunk in await client.chat.completions.create(
                model="sim", messages=messages, stream=True, stream_options={"include_usage": True}
            )
        ]
        assert "sim" in [model.id async for model in client.models.list()]
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert streamed == whole.choices[0].message.content
    assert "[4]" in streamed
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 30


async def test_usage_comes_only_if_asked_for_and_allowed(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    asked = {"stream_options": {"include_usage": True}}
    assert (await stream(http, simulator, body(stream=True, **asked)))[-1]["usage"]
    for request in (body(stream=True), body("sim-no-usage", stream=True, **asked)):
        assert not any("usage" in chunk for chunk in await stream(http, simulator, request))


async def test_max_tokens_cuts_the_answer_and_says_so(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    chunks = await stream(http, simulator, body(stream=True, max_tokens=5))
    whole = text_of(await stream(http, simulator, body(stream=True)))
    assert whole.startswith(text_of(chunks))
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert simulator.stats.completion_tokens == 35


async def test_the_same_prompt_gets_the_same_answer_from_another_simulator(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    async with Simulator(AT_ONCE) as other:
        first = await stream(http, simulator, body(stream=True))
        assert text_of(await stream(http, other, body(stream=True))) == text_of(first)


@pytest.mark.parametrize(
    ("model", "status"), [("sim-error-500", 500), ("sim-429", 429), ("sim-nonsense", 404)]
)
async def test_a_status_asked_for_comes_with_an_error_object(
    simulator: Simulator, http: aiohttp.ClientSession, model: str, status: int
) -> None:
    answered, error = await ask(http, simulator, body(model))
    assert answered == status
    assert error["error"]["message"]
    assert simulator.stats.failed == 1


async def test_a_rate_limit_says_when_to_come_back(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    url = f"{simulator.base_url}/chat/completions"
    async with http.post(url, json=body("sim-429-retry-after-9")) as response:
        assert response.headers["Retry-After"] == "9"


async def test_without_the_configured_key_nothing_is_answered(http: aiohttp.ClientSession) -> None:
    async with Simulator(Behaviour(api_key="right", ttft_ms=0, tokens_per_second=0)) as simulator:
        assert (await ask(http, simulator, body()))[0] == 401
        http.headers["Authorization"] = "Bearer right"
        assert (await ask(http, simulator, body()))[0] == 200


async def test_a_client_that_leaves_is_counted_with_what_it_was_sent(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    url = f"{simulator.base_url}/chat/completions"
    response = await http.post(url, json=body("sim-stall-after-7", stream=True))
    await response.content.readuntil(b"\n\n")
    assert simulator.stats.open == 1
    response.close()
    await simulator.stats.until(lambda stats: stats.cancelled_by_client == 1)
    assert simulator.stats.open == 0
    assert simulator.stats.completion_tokens == 7


async def test_a_client_that_leaves_a_moving_stream_is_counted(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    url = f"{simulator.base_url}/chat/completions"
    response = await http.post(url, json=body("sim-tokens-9999-tps-1000", stream=True))
    await response.content.readuntil(b"\n\n")
    response.close()
    await simulator.stats.until(lambda stats: stats.cancelled_by_client == 1)
    assert simulator.stats.completion_tokens < 9999


async def test_a_cut_stream_breaks_off_and_an_error_in_the_stream_does_not(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    url = f"{simulator.base_url}/chat/completions"
    async with http.post(url, json=body("sim-cut-after-3", stream=True)) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    async with http.post(url, json=body("sim-error-after-3", stream=True)) as response:
        assert b'"error"' in (await response.read()).split(b"\n\n")[-2]
    assert simulator.stats.failed == 2
    assert simulator.stats.completion_tokens == 6


async def test_a_share_of_requests_fails_in_a_sequence_that_the_seed_fixes(
    http: aiohttp.ClientSession,
) -> None:
    async def statuses(seed: int) -> list[int]:
        flaky = Behaviour(ttft_ms=0, tokens_per_second=0, tokens=1, error_rate=0.3, seed=seed)
        async with Simulator(flaky) as simulator:
            return [(await ask(http, simulator, body()))[0] for _ in range(60)]

    first = await statuses(1)
    assert 5 < first.count(500) < 40
    assert await statuses(1) == first
    assert await statuses(2) != first


async def test_its_counts_are_read_and_reset_over_http(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    await asyncio.gather(*(stream(http, simulator, body(stream=True)) for _ in range(5)))
    root = simulator.base_url.removesuffix("/v1")
    async with http.get(f"{root}/stats") as response:
        counts = await response.json()
    assert counts["requests"] == counts["completed"] == 5
    assert counts["completion_tokens"] == 150
    assert counts["prompt_tokens"] == 5 * -(-len(SOURCE) // 4)
    async with http.post(f"{root}/stats/reset") as response:
        assert set((await response.json()).values()) == {0}


async def test_it_stops_with_streams_open(http: aiohttp.ClientSession) -> None:
    async with Simulator(AT_ONCE) as simulator:
        url = f"{simulator.base_url}/chat/completions"
        response = await http.post(url, json=body("sim-stall-after-1", stream=True))
        await response.content.readuntil(b"\n\n")
    response.close()
    assert simulator.stats.open == 0


def test_its_help_says_that_it_is_a_simulator() -> None:
    command = [sys.executable, "-m", "bench.simulator", "--help"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "simulator" in printed
    assert "never put it behind a product" in printed
    assert "sim-tokens-50-tps-0" in printed
