from collections.abc import Sequence

import pytest

from carrel.domain.errors import Unavailable
from carrel.domain.ids import TenantId
from carrel.domain.vector import DenseVector
from carrel.embedding.embedder import Meter
from carrel.embedding.queries import QueryVectors
from carrel.embedding.static import StaticEmbedder

OURS, THEIRS = TenantId("ten_ours"), TenantId("ten_theirs")


class Watched(StaticEmbedder):
    """Says what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.down = False

    async def embed_query(self, text: str, meter: Meter | None = None) -> DenseVector:
        self.asked.append(text)
        if self.down:
            raise Unavailable("down")
        return await super().embed_query(text, meter)


async def ask(vectors: QueryVectors, *questions: str, tenant: TenantId = OURS) -> Sequence[int]:
    """The tokens that each question took."""
    spent: list[int] = []
    for question in questions:
        meter = Meter()
        await vectors.of(tenant, question, meter)
        spent.append(meter.tokens)
    return spent


async def test_a_question_asked_again_is_not_embedded_again_and_costs_nothing() -> None:
    embedder = Watched()
    first, second = await ask(QueryVectors(embedder, entries=10), "why?", "why?")
    assert embedder.asked == ["why?"]
    assert first > 0
    assert second == 0


async def test_the_vector_is_the_embedders() -> None:
    vectors = QueryVectors(StaticEmbedder(), entries=10)
    expected = await StaticEmbedder().embed_query("why?")
    for _ in range(2):
        assert (await vectors.of(OURS, "why?", Meter()) == expected).all()


async def test_what_one_tenant_asked_is_not_remembered_for_another() -> None:
    embedder = Watched()
    vectors = QueryVectors(embedder, entries=10)
    await ask(vectors, "why?")
    await ask(vectors, "why?", tenant=THEIRS)
    assert embedder.asked == ["why?", "why?"]


async def test_texts_that_differ_at_all_are_different_questions() -> None:
    embedder = Watched()
    asked = ["why?", "Why?", "why? ", "why"]
    await ask(QueryVectors(embedder, entries=10), *asked)
    assert embedder.asked == asked


async def test_the_questions_not_asked_for_longest_are_forgotten() -> None:
    embedder = Watched()
    await ask(QueryVectors(embedder, entries=2), "a", "b", "a", "c", "a", "b")
    assert embedder.asked == ["a", "b", "c", "b"]


async def test_nothing_is_remembered_where_no_entries_are_kept() -> None:
    embedder = Watched()
    await ask(QueryVectors(embedder, entries=0), "a", "a")
    assert embedder.asked == ["a", "a"]


async def test_a_failure_is_not_remembered() -> None:
    embedder = Watched()
    vectors = QueryVectors(embedder, entries=10)
    embedder.down = True
    with pytest.raises(Unavailable):
        await ask(vectors, "a")
    embedder.down = False
    assert await ask(vectors, "a") != [0]
