"""The labelled pairs are what the bench says they are; guards are held to the tuning half alone."""

from collections import Counter

from bench.caching.pairs import half_of, pairs

from carrel.caching.guards.agreement import agree


def test_there_are_enough_pairs_of_every_kind_in_both_halves() -> None:
    kinds = Counter(pair.kind for pair in pairs())
    assert kinds["same"] >= 150
    assert kinds.total() - kinds["same"] >= 300
    wanted = {"number", "entity", "negation", "role", "time", "scope", "unit", "comparative"}
    for half in ("tuning", "held back"):
        assert wanted <= {pair.kind for pair in pairs(half)}


def test_no_pair_is_written_twice_and_none_is_of_equal_questions() -> None:
    written = [(pair.tenant, pair.cached, pair.asked) for pair in pairs()]
    assert len(set(written)) == len(written)
    assert all(pair.cached.casefold() != pair.asked.casefold() for pair in pairs())


def test_a_cached_question_is_in_one_half_with_all_its_pairs() -> None:
    assert len(pairs("tuning")) + len(pairs("held back")) == len(pairs())
    for pair in pairs():
        assert pair.half == half_of(pair.cached)


def test_of_the_tuning_half_no_near_miss_is_let_through_and_most_rewordings_are() -> None:
    tuning = pairs("tuning")
    assert not [pair for pair in tuning if not pair.same and agree(pair.cached, pair.asked)]
    same = [pair for pair in tuning if pair.same]
    assert sum(agree(pair.cached, pair.asked) for pair in same) >= 0.7 * len(same)
