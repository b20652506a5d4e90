"""What every `Generator` promises, whatever writes its answers.

Another implementation is one more entry in `IMPLEMENTATIONS`.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Protocol

import pytest
from bench.simulator import Behaviour, Simulator

from carrel.domain.document import Passage
from carrel.domain.ids import ChunkId, DocumentId
from carrel.embedding.sparse import Bm25Encoder
from carrel.embedding.static import StaticEmbedder
from carrel.generation.extractive import ExtractiveGenerator
from carrel.generation.fallback.generator import FallbackGenerator
from carrel.generation.fallback.member import Member, Terms
from carrel.generation.generator import Asking, Delta, Finish, GenerationRequest, Generator
from carrel.generation.openai_compatible import OpenAICompatibleGenerator


class Implementation(Protocol):
    def __call__(self) -> AbstractAsyncContextManager[Generator]: ...


@asynccontextmanager
async def openai_compatible() -> AsyncIterator[Generator]:
    async with Simulator(Behaviour(ttft_ms=0, tokens_per_second=2000, tokens=40)) as upstream:
        generator = OpenAICompatibleGenerator(
            base_url=upstream.base_url,
            api_key=None,
            model="a-model",
            count_tokens=lambda text: len(text.split()),
        )
        yield generator
        await generator.close()
        await upstream.stats.until(lambda stats: stats.open == 0)


@asynccontextmanager
async def extractive() -> AsyncIterator[Generator]:
    yield ExtractiveGenerator(StaticEmbedder(), lambda question: Bm25Encoder())


@asynccontextmanager
async def fallback(first: Behaviour) -> AsyncIterator[Generator]:
    fast = Behaviour(ttft_ms=0, tokens_per_second=2000, tokens=40)
    async with Simulator(first) as one, Simulator(fast) as other:
        members = [
            Member(
                OpenAICompatibleGenerator(
                    base_url=each.base_url,
                    api_key=None,
                    model="a-model",
                    count_tokens=lambda text: len(text.split()),
                ),
                Terms(name=f"number-{number}", priority=number),
            )
            for number, each in enumerate((one, other))
        ]
        generator = FallbackGenerator(members, retry_share=1)
        yield generator
        await generator.close()
        await other.stats.until(lambda stats: stats.open == 0)


IMPLEMENTATIONS: dict[str, Implementation] = {
    "openai_compatible": openai_compatible,
    "extractive": extractive,
    "fallback": lambda: fallback(Behaviour(ttft_ms=0, tokens_per_second=2000, tokens=40)),
    "fallback, first is down": lambda: fallback(Behaviour(status=500)),
}

TEXTS = [
    "Acme refunds every purchase within 30 days of delivery. Bring the receipt and the parcel.",
    "Refunds are paid to the card that was charged. The bank may need five working days.",
    "The warehouse in Lyon is closed on public holidays. Parcels wait there for two weeks.",
]


@pytest.fixture(params=IMPLEMENTATIONS)
async def generator(request: pytest.FixtureRequest) -> AsyncIterator[Generator]:
    async with IMPLEMENTATIONS[request.param]() as implementation:
        yield implementation


def asking(question: str = "How many days do refunds take?", **changes: int) -> GenerationRequest:
    passages = [
        Passage(
            chunk_id=ChunkId(f"chk_{number}"),
            document_id=DocumentId("doc_1"),
            version=1,
            title="Handbook",
            text=text,
            start=0,
            end=len(text),
            heading="Orders",
            page=number,
            content_hash=f"hash-{number}",
            score=1 - number / 10,
        )
        for number, text in enumerate(TEXTS, start=1)
    ]
    return GenerationRequest(question, passages, max_tokens=changes.get("max_tokens", 400))


async def written(
    generator: Generator, request: GenerationRequest
) -> AsyncGenerator[Delta | Finish]:
    """What is written, without who is asked: that may come before it alone."""
    begun = False
    async with aclosing(generator.generate(request)) as parts:
        async for part in parts:
            if isinstance(part, Asking):
                assert not begun
            else:
                begun = True
                yield part


async def answer(generator: Generator, request: GenerationRequest) -> tuple[list[str], Finish]:
    """The deltas and the end; fails where something follows the end, or nothing ends it."""
    *deltas, finish = [event async for event in written(generator, request)]
    assert isinstance(finish, Finish)
    assert all(isinstance(delta, Delta) for delta in deltas)
    return [delta.text for delta in deltas if isinstance(delta, Delta)], finish


async def test_an_answer_is_deltas_and_then_one_finish(generator: Generator) -> None:
    deltas, finish = await answer(generator, asking())
    assert deltas
    assert all(deltas), "an empty delta tells nobody anything"
    assert finish.finish_reason == "stop"


async def test_an_answer_cites_its_passages_and_no_others(generator: Generator) -> None:
    text = "".join((await answer(generator, asking()))[0])
    cited = {int(number) for number in re.findall(r"\[(\d+)\]", text)}
    assert cited
    assert cited <= {1, 2, 3}


async def test_the_end_names_the_model_and_counts_tokens(generator: Generator) -> None:
    finish = (await answer(generator, asking()))[1]
    assert finish.model == generator.model
    assert finish.prompt_tokens >= 0
    assert finish.completion_tokens >= 0


async def test_the_same_request_gets_the_same_answer(generator: Generator) -> None:
    first, second = [await answer(generator, asking()) for _ in range(2)]
    assert "".join(first[0]) == "".join(second[0])
    assert first[1] == second[1]


async def test_no_more_than_max_tokens_are_written(generator: Generator) -> None:
    deltas, finish = await answer(generator, asking(max_tokens=8))
    assert finish.completion_tokens <= 8
    assert len("".join(deltas)) < len("".join((await answer(generator, asking()))[0]))


async def test_closing_early_leaves_the_generator_able_to_answer(generator: Generator) -> None:
    async with aclosing(written(generator, asking())) as reading:
        assert isinstance(await anext(reading), Delta)
    assert (await answer(generator, asking()))[1].finish_reason == "stop"


async def test_a_generation_that_is_never_read_costs_nothing(generator: Generator) -> None:
    await generator.generate(asking()).aclose()
    assert (await answer(generator, asking()))[0]


async def test_answers_written_at_the_same_time_do_not_mix(generator: Generator) -> None:
    questions = [f"How many days do refunds take in shop {number}?" for number in range(20)]
    alone = [await answer(generator, asking(question)) for question in questions]
    together = await asyncio.gather(*(answer(generator, asking(each)) for each in questions))
    assert ["".join(deltas) for deltas, _ in alone] == ["".join(deltas) for deltas, _ in together]


async def test_a_generator_may_be_closed_twice(generator: Generator) -> None:
    await answer(generator, asking())
    await generator.close()
    await generator.close()
