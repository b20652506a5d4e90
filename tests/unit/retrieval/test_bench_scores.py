import pytest
from bench.retrieval.scores import contains, recall, reciprocal_rank, token_f1, unmarked


def test_recall_counts_distinct_items_among_the_first() -> None:
    assert recall(["a", "a", "b", "c"], {"b", "c"}, k=2) == 0.5
    assert recall(["a"], set(), k=5) == 0.0


def test_the_reciprocal_rank_is_that_of_the_first_relevant_item() -> None:
    assert reciprocal_rank(["a", "a", "b"], {"b"}) == 0.5
    assert reciprocal_rank(["a"], {"b"}) == 0.0


def test_an_answer_contains_gold_but_for_case_and_punctuation() -> None:
    assert contains(unmarked("It was the U.S. Army [1]."), ["us army", "u s army"])
    assert not contains("It was 1889.", ["1890"])


def test_f1_is_the_best_over_the_gold_answers() -> None:
    assert token_f1("four weeks", ["four weeks"]) == 1.0
    assert token_f1("four long weeks", ["x", "four weeks"]) == pytest.approx(0.8)
    assert token_f1("no", ["yes"]) == 0.0
