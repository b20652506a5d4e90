"""The official OpenAI SDK, pointed at `/v1`, works unchanged."""

import asyncio

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


async def test_texts_are_embedded_as_the_sdk_asks_and_as_floats(sdk: openai.AsyncOpenAI):
    texts = ["Where is the office?", "The office is in Ghent.", "Fish swim in the sea."]
    packed = await sdk.embeddings.create(model="carrel", input=texts)  # as base64
    plain = await sdk.embeddings.create(
        model=packed.model, input=texts, encoding_format="float", dimensions=256
    )
    assert [each.index for each in packed.data] == [0, 1, 2]
    vectors = [each.embedding for each in packed.data]
    assert vectors == [pytest.approx(each.embedding) for each in plain.data]
    office, ghent, fish = vectors
    assert len(office) == 256
    assert sum(x * x for x in office) == pytest.approx(1)
    assert _product(office, ghent) > _product(office, fish)
    assert plain.usage.prompt_tokens == plain.usage.total_tokens > 10
    (alone,) = (await sdk.embeddings.create(model="carrel", input=texts[1])).data
    assert alone.embedding == pytest.approx(ghent)


@pytest.mark.parametrize(
    ("param", "body"),
    [
        ("model", {"model": "text-embedding-3-small", "input": "x"}),
        ("input", {"model": "carrel", "input": []}),
        ("input", {"model": "carrel", "input": " "}),
        ("input", {"model": "carrel", "input": ["x"] * 257}),
        ("input", {"model": "carrel", "input": ["word " * 19_000] * 4}),
        ("dimensions", {"model": "carrel", "input": "x", "dimensions": 64}),
    ],
)
async def test_what_cannot_be_embedded_is_refused(
    sdk: openai.AsyncOpenAI, param: str, body: dict[str, object]
):
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        await sdk.embeddings.create(**body)  # type: ignore[arg-type]
    assert (refused.value.param or "").startswith(param)


async def test_embedded_tokens_are_in_the_ledger_and_limited(acme: Client, admin: Client):
    status, made = await acme.post("/v1/embeddings", {"model": "carrel", "input": "One text."})
    assert status == 200
    async with asyncio.timeout(20):
        while not (used := (await acme.get("/v1/usage?bucket=day"))[1]["data"]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert used[0]["embedding_tokens"] == made["usage"]["total_tokens"]
    _, tenants = await admin.get("/admin/tenants?limit=1000")
    tenant = tenants["data"][-1]["id"]
    limits = {"tokens_per_minute": 5}
    _, key = await admin.post(f"/admin/tenants/{tenant}/keys", {"limits": limits})
    body = {"model": "carrel", "input": "many words " * 10}
    poor = acme.with_key(key["secret"])
    assert [(await poor.post("/v1/embeddings", body))[0] for _ in range(2)] == [200, 429]
    _, key = await admin.post(f"/admin/tenants/{tenant}/keys", {"scopes": ["query"]})
    assert (await acme.with_key(key["secret"]).post("/v1/embeddings", body))[0] == 403


def _product(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))
