"""How every vector store searches: order, scores, filters."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from tests.contract.sample_points import (
    EAST,
    A,
    B,
    at_angle,
    found_with,
    look,
    point,
    publish,
    search,
    texts,
    words,
)

from carrel.domain.document import Metadata, Scalar
from carrel.domain.filter import AnyOf, Between, Condition, During, parse_filter
from carrel.domain.vector import SparseVector
from carrel.vectors.store import TenantVectors

pytestmark = pytest.mark.usefixtures("unblocked_loop")


async def test_dense_hits_come_best_first_with_their_cosine(ours: TenantVectors) -> None:
    far, near, middle = at_angle(80), at_angle(10), at_angle(40) * 7
    await publish(
        ours,
        point(A, "far", dense=far),
        point(A, "near", ordinal=1, dense=near),
        point(A, "middle", ordinal=2, dense=middle),
    )
    hits = await look(ours, EAST * 3, words("nothing"), limit=10)
    assert texts(hits.dense) == ["near", "middle", "far"]
    assert [hit.score for hit in hits.dense] == pytest.approx([0.9848, 0.7660, 0.1736], abs=1e-4)
    assert hits.sparse == []


async def test_sparse_hits_come_best_first_and_a_rare_word_counts_for_more(
    ours: TenantVectors,
) -> None:
    common = [point(A, f"common filler{i}", ordinal=i) for i in range(20)]
    await publish(ours, *common, point(B, "rare"), point(B, "rare common", ordinal=1))
    hits = await search(ours, "rare common", limit=3)
    assert texts(hits.sparse)[:2] == ["rare common", "rare"]
    assert hits.sparse[0].score > hits.sparse[1].score > hits.sparse[2].score > 0


async def test_a_query_without_words_finds_by_meaning_alone(ours: TenantVectors) -> None:
    await publish(ours, point(A))
    hits = await look(ours, EAST, SparseVector([], []), limit=10)
    assert texts(hits.dense) == ["apple"]
    assert hits.sparse == []


async def test_a_chunk_without_words_is_found_by_meaning(ours: TenantVectors) -> None:
    await publish(ours, point(A, ""))
    hits = await search(ours)
    assert texts(hits.dense) == [""]
    assert hits.sparse == []


@pytest.mark.parametrize("limit", [1, 3, 5])
async def test_each_list_has_at_most_limit_hits(ours: TenantVectors, limit: int) -> None:
    await publish(ours, *(point(A, f"apple {i}", ordinal=i) for i in range(5)))
    hits = await search(ours, limit=limit)
    assert len(hits.dense) == len(hits.sparse) == limit


METADATA: dict[str, Metadata] = {
    "en": {"lang": "en", "year": 2023, "score": 0.5, "at": "2023-05-01"},
    "de": {"lang": "de", "year": 2024, "score": -1, "at": "2024-02-29T12:00:00+02:00"},
    "both": {"lang": ["en", "de"], "year": 2025.0, "at": "2025-01-01T00:00:00Z"},
    "yes": {"flag": True},
    "one": {"flag": 1},
    "text": {"flag": "true"},
    "number": {"flag": "1"},
    "none": {},
}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ([AnyOf("lang", ("en",))], {"en", "both"}),
        ([AnyOf("lang", ("en", "de"))], {"en", "de", "both"}),
        ([AnyOf("lang", ("fr",))], set()),
        ([AnyOf("lang", ("en",)), AnyOf("lang", ("de",))], {"both"}),
        ([AnyOf("lang", ("en",)), AnyOf("year", (2023,))], {"en"}),
        ([AnyOf("year", (2025,))], {"both"}),
        ([AnyOf("year", (2024.0,))], {"de"}),
        ([AnyOf("score", (-1.0,))], {"de"}),
        ([AnyOf("flag", (True,))], {"yes"}),
        ([AnyOf("flag", (1,))], {"one"}),
        ([AnyOf("flag", ("true",))], {"text"}),
        ([AnyOf("flag", ("1",))], {"number"}),
        ([AnyOf("flag", (True, "1"))], {"yes", "number"}),
        ([AnyOf("flag", (False,))], set()),
        ([AnyOf("absent", ("",))], set()),
        ([Between("year", 2024, None)], {"de", "both"}),
        ([Between("year", None, 2024)], {"en", "de"}),
        ([Between("year", 2024, 2024)], {"de"}),
        ([Between("year", 2024.5, 2024.6)], set()),
        ([Between("score", -1, 0)], {"de"}),
        ([Between("lang", 0, None)], set()),
        ([During("at", datetime(2023, 5, 1, tzinfo=UTC), None)], {"en", "de", "both"}),
        ([During("at", datetime(2023, 5, 1, 0, 0, 1, tzinfo=UTC), None)], {"de", "both"}),
        ([During("at", None, datetime(2024, 2, 29, 10, 0, tzinfo=UTC))], {"en", "de"}),
        ([During("at", None, datetime(2024, 2, 29, 9, 59, tzinfo=UTC))], {"en"}),
        ([AnyOf("lang", ("de",)), Between("year", None, 2024.5)], {"de"}),
    ],
)
async def test_a_filter_narrows_both_lists(
    ours: TenantVectors, where: Sequence[Condition], expected: set[str]
) -> None:
    await publish(ours, *(point(name, metadata=data) for name, data in METADATA.items()))
    assert await found_with(ours, *where) == expected


@pytest.mark.parametrize("field", ["a-b", "1", "_", "metadata", "tenant_id", "x" * 64])
async def test_any_field_name_can_be_filtered_on(ours: TenantVectors, field: str) -> None:
    await publish(ours, point(A, metadata={field: 5}), point(B, metadata={field: 6}))
    assert await found_with(ours, AnyOf(field, (5,))) == {A}
    assert await found_with(ours, Between(field, 6, None)) == {B}


@pytest.mark.parametrize("value", ["", "=", "a=s:b", "ünï", "\x00", "y" * 1024, 2**62, -0.5])
async def test_any_value_can_be_filtered_on(ours: TenantVectors, value: Scalar) -> None:
    await publish(ours, point(A, metadata={"f": value}), point(B, metadata={"f": "other"}))
    assert await found_with(ours, AnyOf("f", (value,))) == {A}


async def test_a_filter_of_the_largest_size_is_answered(ours: TenantVectors) -> None:
    await publish(ours, point(A, metadata={f"f{i}": i for i in range(32)}))
    where = parse_filter({f"f{i}": [i, *(f"no{n}" for n in range(255))] for i in range(32)})
    assert await found_with(ours, *where) == {A}


async def test_staged_points_and_filters_do_not_change_a_score(ours: TenantVectors) -> None:
    await publish(ours, *(point(A, f"apple pear{i % 3}", ordinal=i) for i in range(9)))
    await publish(ours, point(B, "apple plum", metadata={"lang": "en"}))
    before = {hit.stored.chunk_id: hit.score for hit in (await search(ours, "plum pear1")).sparse}
    await ours.stage([point("doc_c", "plum", ordinal=i) for i in range(50)])
    narrowed = await look(
        ours, EAST, words("plum pear1"), limit=100, where=[AnyOf("lang", ("en",))]
    )
    assert {h.stored.chunk_id: h.score for h in (await search(ours, "plum pear1")).sparse} == before
    assert [hit.score for hit in narrowed.sparse] == [before[narrowed.sparse[0].stored.chunk_id]]


async def test_a_search_that_is_cancelled_does_not_answer_another(ours: TenantVectors) -> None:
    await publish(ours, *(point(A, f"apple {i}", ordinal=i) for i in range(50)))
    for _ in range(30):
        abandoned = asyncio.ensure_future(search(ours))
        await asyncio.sleep(0)
        abandoned.cancel()
        assert len((await search(ours, limit=2)).dense) == 2
