import math
from pathlib import Path

import pytest
from bench.retrieval.datasets import DataMissing, Question, Span, data_folder
from bench.retrieval.metrics import covers, ndcg, relevant_chunks


def test_relevant_items_first_score_1() -> None:
    assert ndcg(["a", "b", "x"], {"a", "b"}) == pytest.approx(1)


def test_a_relevant_item_counts_less_further_down() -> None:
    assert ndcg(["x", "a"], {"a"}) == pytest.approx(1 / math.log2(3))


def test_nothing_counts_beyond_the_tenth_place() -> None:
    assert ndcg([*"bcdefghijk", "a"], {"a"}) == 0


def test_a_document_found_by_several_chunks_counts_once() -> None:
    assert ndcg(["x", "x", "a", "a"], {"a"}) == pytest.approx(1 / math.log2(3))


def test_a_question_without_relevant_items_scores_0() -> None:
    assert ndcg(["a"], set()) == 0


def test_a_chunk_is_relevant_from_half_of_a_reference_on() -> None:
    reference = Span("d", 100, 200)
    assert covers(Span("d", 150, 400), reference)
    assert not covers(Span("d", 151, 400), reference)
    assert not covers(Span("e", 100, 200), reference)
    question = Question("?", (reference, Span("d", 0, 10)))
    chunks = [Span("d", 0, 50), Span("d", 90, 210), Span("d", 195, 300)]
    assert relevant_chunks(question, chunks) == set(chunks[:2])


def test_missing_data_sets_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="CARREL_BENCH_DATA"):
        data_folder(tmp_path)
