"""The official OpenAI SDK, pointed at `/v1`, works unchanged."""

import openai
import pytest
from tests.acceptance.server import Client


@pytest.fixture
async def sdk(acme: Client):
    body = {"text": "The office is at 4 Canal Street in Ghent.", "document_id": "office"}
    await acme.post("/v1/documents?wait=30", body)
    async with openai.AsyncOpenAI(base_url=f"{acme.url}/v1", api_key=acme.key) as client:
        yield client


MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello! Ask me something."},
    {"role": "user", "content": "Where is the office?"},
]


async def test_models_are_listed(sdk: openai.AsyncOpenAI):
    names = [model.id async for model in await sdk.models.list()]
    assert "carrel" in names
    assert (await sdk.models.retrieve("carrel")).id == "carrel"


async def test_a_chat_completion_cites_its_sources(sdk: openai.AsyncOpenAI):
    done = await sdk.chat.completions.create(model="carrel", messages=MESSAGES)
    assert "Canal Street" in (done.choices[0].message.content or "")
    assert done.choices[0].finish_reason == "stop"
    assert done.usage is not None
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens
    assert done.model_extra is not None
    assert done.model_extra["citations"][0]["document_id"] == "office"


async def test_a_streamed_completion_ends_with_its_usage(sdk: openai.AsyncOpenAI):
    stream = await sdk.chat.completions.create(
        model="carrel", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert "Canal Street" in text
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1


async def test_without_the_option_no_usage_is_streamed(sdk: openai.AsyncOpenAI):
    stream = await sdk.chat.completions.create(model="carrel", messages=MESSAGES, stream=True)
    assert [chunk async for chunk in stream][-1].choices[0].finish_reason == "stop"


async def test_errors_are_the_sdks_own(sdk: openai.AsyncOpenAI):
    with pytest.raises(openai.AuthenticationError) as refused:
        await sdk.with_options(api_key="sk-wrong").models.list()
    assert refused.value.code == "invalid_api_key"
    with pytest.raises(openai.UnprocessableEntityError):
        await sdk.chat.completions.create(
            model="carrel", messages=[{"role": "assistant", "content": "no question"}]
        )
