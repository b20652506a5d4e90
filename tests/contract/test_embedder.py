"""What every `Embedder` promises, wherever its model runs.

Another implementation is one more entry in `IMPLEMENTATIONS`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from bench.models.tiny import write_tiny
from bench.simulator.models import serving

from carrel.domain.errors import Unavailable
from carrel.embedding.embedder import Embedder, Meter
from carrel.embedding.http import Batches, HttpEmbedder
from carrel.embedding.onnx import OnnxEmbedder
from carrel.embedding.onnx_model import Source
from carrel.embedding.static import StaticEmbedder


class Implementation(Protocol):
    def __call__(self, folder: Path) -> AbstractAsyncContextManager[Embedder]: ...


@asynccontextmanager
async def static(folder: Path) -> AsyncIterator[Embedder]:
    yield StaticEmbedder()


@asynccontextmanager
async def onnx(folder: Path) -> AsyncIterator[Embedder]:
    path = await asyncio.to_thread(write_tiny, folder / "tiny")
    embedder = OnnxEmbedder(Source(None, path, folder))
    yield embedder
    await embedder.close()


@asynccontextmanager
async def http(folder: Path) -> AsyncIterator[Embedder]:
    async with serving(StaticEmbedder()) as server:
        embedder = HttpEmbedder(
            base_url=server.base_url,
            api_key=None,
            model="wordllama",
            dimensions=256,
            batches=Batches(texts=3),
        )
        yield embedder
        await embedder.close()


IMPLEMENTATIONS: dict[str, Implementation] = {"static": static, "onnx": onnx, "http": http}

TEXTS = [
    "Refunds take 30 days.",
    "",
    "   \n\t ",
    "Zurückgegebene Ware wird erstattet.",
    "退款需要三十天。",
    "🙂🙃",
    "a\x00b\u200b\ufeff",
    "word " * 20_000,
    "x" * 50_000,
    "Refunds take 30 days.",
]
BLANK = (1, 2)


@pytest.fixture(params=IMPLEMENTATIONS)
async def embedder(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Embedder]:
    async with IMPLEMENTATIONS[request.param](tmp_path) as implementation:
        yield implementation


async def test_a_vector_has_the_dimensions_and_is_float32(embedder: Embedder) -> None:
    vector = await embedder.embed_query("How long do refunds take?")
    assert vector.shape == (embedder.dimensions,)
    assert vector.dtype == np.float32


async def test_every_text_gets_a_vector_in_its_place(embedder: Embedder) -> None:
    vectors = await embedder.embed_documents(TEXTS)
    assert [vector.shape for vector in vectors] == [(embedder.dimensions,)] * len(TEXTS)
    assert all(vector.dtype == np.float32 for vector in vectors)
    assert np.allclose(vectors[0], vectors[-1], atol=1e-6)
    assert not np.allclose(vectors[0], vectors[3], atol=1e-3)


async def test_vectors_have_length_one_and_those_of_blank_texts_zero(embedder: Embedder) -> None:
    for number, vector in enumerate(await embedder.embed_documents(TEXTS)):
        expected = 0 if number in BLANK else 1
        assert float(np.linalg.norm(vector)) == pytest.approx(expected, abs=1e-5), number


async def test_a_blank_question_has_the_vector_zero(embedder: Embedder) -> None:
    assert not (await embedder.embed_query("")).any()
    assert not (await embedder.embed_query(" \n")).any()


async def test_a_text_has_the_same_vector_alone_and_among_others(embedder: Embedder) -> None:
    together = await embedder.embed_documents(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        [alone] = await embedder.embed_documents([text])
        assert np.allclose(alone, vector, atol=1e-5)


async def test_the_same_text_always_has_the_same_vector(embedder: Embedder) -> None:
    once, again = [await embedder.embed_query("How long do refunds take?") for _ in range(2)]
    assert (once == again).all()


async def test_nothing_to_embed_gives_nothing(embedder: Embedder) -> None:
    assert await embedder.embed_documents([]) == []


async def test_texts_embedded_at_the_same_time_do_not_mix(embedder: Embedder) -> None:
    texts = [f"How many days do refunds take in shop {number}?" for number in range(30)]
    alone = [await embedder.embed_query(text) for text in texts]
    together = await asyncio.gather(*map(embedder.embed_query, texts))
    assert np.allclose(alone, together, atol=1e-6)


async def test_questions_and_documents_share_a_space(embedder: Embedder) -> None:
    question = await embedder.embed_query("Refunds take 30 days.")
    [document] = await embedder.embed_documents(["Refunds take 30 days."])
    assert float(question @ document) == pytest.approx(1, abs=1e-4)


async def test_the_identity_names_kind_model_and_dimensions(embedder: Embedder) -> None:
    before = embedder.identity
    await embedder.embed_query("anything")
    kind, *model, dimensions = embedder.identity.split(":")
    assert kind in IMPLEMENTATIONS
    assert all(model)
    assert int(dimensions) == embedder.dimensions
    assert embedder.identity == before


async def test_a_meter_counts_the_tokens_of_questions_and_documents(embedder: Embedder) -> None:
    meter = Meter()
    await embedder.embed_query("How long do refunds take?", meter)
    one = meter.tokens
    assert one >= 6
    await embedder.embed_documents(["How long do refunds take?"] * 3, meter)
    assert meter.tokens == pytest.approx(4 * one)


async def test_longer_texts_have_more_tokens(embedder: Embedder) -> None:
    await embedder.embed_query("warm")
    assert embedder.count_tokens("") == 0
    assert 0 < embedder.count_tokens("refunds") < embedder.count_tokens("refunds take a while")


async def test_a_cancelled_question_leaves_the_embedder_able_to_work(embedder: Embedder) -> None:
    asking = asyncio.create_task(embedder.embed_query("word " * 5000))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (await embedder.embed_query("again")).any()


async def test_an_embedder_may_be_closed_twice_and_is_then_unavailable(embedder: Embedder) -> None:
    await embedder.embed_query("once")
    await embedder.close()
    await embedder.close()
    if not isinstance(embedder, StaticEmbedder):  # which has nothing to close
        with pytest.raises(Unavailable):
            await embedder.embed_query("too late")
