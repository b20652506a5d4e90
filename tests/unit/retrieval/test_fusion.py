import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.retrieval.hits import hit

from carrel.domain.ids import DocumentId, TenantId
from carrel.retrieval.fusion import alpha_for, fuse
from carrel.vectors.schema import chunk_id
from carrel.vectors.store import Hits

CHUNKS = st.text("abcdef", min_size=1, max_size=2)
SCORES = st.floats(-1, 40, allow_nan=False)
LISTS = st.dictionaries(CHUNKS, SCORES, max_size=12).map(
    lambda scores: [hit(name, score) for name, score in scores.items()]
)


def test_both_scores_count_by_their_share() -> None:
    hits = Hits(dense=[hit("a", 0.8), hit("b", 0.5)], sparse=[hit("b", 12.0), hit("a", 3.0)])
    (first, second) = fuse(hits, alpha=0.7)
    assert (first.chunk_id, second.chunk_id) == ("b", "a")
    assert first.score == pytest.approx(0.3 * 0.5 + 0.7)
    assert second.score == pytest.approx(0.3 * 0.8 + 0.7 * 3 / 12)
    assert (first.cosine, first.bm25) == (0.5, 12.0)


def test_a_chunk_missing_from_the_dense_list_counts_with_its_lowest_cosine() -> None:
    hits = Hits(dense=[hit("a", 0.8), hit("b", 0.2)], sparse=[hit("c", 5.0)])
    fused = {each.chunk_id: each for each in fuse(hits, alpha=0.5)}
    assert fused["c"].score == pytest.approx(0.5 * 0.2 + 0.5)
    assert fused["c"].cosine is None


def test_a_chunk_missing_from_the_sparse_list_counts_with_nothing() -> None:
    hits = Hits(dense=[hit("a", 0.8)], sparse=[hit("b", 5.0)])
    fused = {each.chunk_id: each for each in fuse(hits, alpha=0.5)}
    assert fused["a"].score == pytest.approx(0.4)
    assert fused["a"].bm25 is None


def test_one_empty_list_leaves_the_order_of_the_other() -> None:
    ranked = [hit("a", 9.0), hit("b", 4.0), hit("c", 1.0)]
    for hits in (
        Hits(dense=[], sparse=ranked),
        Hits(dense=[hit("a", 0.9), hit("b", 0.2)], sparse=[]),
    ):
        order = [each.chunk_id for each in fuse(hits, alpha=0.7)]
        assert order == ["a", "b", "c"][: len(order)]


def test_nothing_found_gives_nothing() -> None:
    assert fuse(Hits(dense=[], sparse=[]), alpha=0.7) == []


def test_of_equal_chunks_the_earlier_one_of_a_document_comes_first() -> None:
    ids = [chunk_id(TenantId("t"), DocumentId("d"), 1, ordinal) for ordinal in range(300)]
    same = [hit(each, 3.0) for each in random.Random(1).sample(ids, len(ids))]
    assert [each.chunk_id for each in fuse(Hits(dense=[], sparse=same), alpha=0.7)] == ids


@given(LISTS, LISTS, st.floats(0, 1))
def test_scores_lie_between_0_and_1_and_fall(dense: list, sparse: list, alpha: float) -> None:
    scores = [each.score for each in fuse(Hits(dense, sparse), alpha=alpha)]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for score in scores)


@given(st.permutations([hit(name, 1.0) for name in "abcdef"]))
def test_the_order_does_not_depend_on_how_equal_hits_arrive(arrived: list) -> None:
    shuffled = random.Random(1).sample(arrived, len(arrived))
    order = [each.chunk_id for each in fuse(Hits(arrived, shuffled), alpha=0.5)]
    assert order == list("abcdef")


def test_a_stronger_embedder_gets_a_larger_share() -> None:
    assert alpha_for("static:wordllama-l2-supercat:256") > alpha_for("onnx:minilm:384")
    assert alpha_for("http:unheard-of:1") == alpha_for("onnx:minilm:384")
