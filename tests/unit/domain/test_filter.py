import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrel.domain.errors import InvalidRequest
from carrel.domain.filter import AnyOf, Between, During, fact, facts, parse_filter, parse_metadata


def test_no_filter_is_no_condition():
    assert parse_filter(None) == parse_filter({}) == ()


def test_each_form_is_one_condition():
    assert parse_filter({"a": "x"}) == (AnyOf("a", ("x",)),)
    assert parse_filter({"a": [1, 2]}) == (AnyOf("a", (1, 2)),)
    assert parse_filter({"a": {"gte": 1, "lte": 2.5}}) == (Between("a", 1, 2.5),)
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    assert parse_filter({"a": {"gte": "2026-01-02"}}) == (During("a", moment, None),)
    assert len(parse_filter({"a": 1, "b": True})) == 2


@pytest.mark.parametrize(
    "raw",
    [
        {"a": None},
        {"a": {}},
        {"a": []},
        {"a": [[1]]},
        {"a": {"gt": 1}},
        {"a": {"gte": "not a date"}},
        {"a": {"gte": 1, "lte": "2026-01-01"}},
        {"a": {"gte": True}},
        {"a": {"gte": None}},
        {"a": float("nan")},
        {"a": {"lte": float("inf")}},
        {"a": 2**70},
        {"a": "\ud800"},
        {"a.b": 1},
        {"": 1},
        {'a"]': 1},
        {"tenant_id.x": 1},
        {"a": "x" * 2000},
        {"a": list(range(1000))},
        {f"f{i}": 1 for i in range(100)},
    ],
)
def test_what_is_not_of_the_grammar_is_refused(raw: dict[str, Any]):
    with pytest.raises(InvalidRequest) as refused:
        parse_filter(raw)
    assert (refused.value.param or "").startswith("filter")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_any_json_is_parsed_or_refused(raw: dict[str, Any]):
    for parse in (parse_filter, parse_metadata):
        with contextlib.suppress(InvalidRequest):
            parse(raw)


def test_values_of_different_types_are_different_facts():
    assert len({fact("a", value) for value in (1, True, "1", "true", "True")}) == 5
    assert fact("a", 1) == fact("a", 1.0)


def test_a_list_is_each_of_its_values():
    assert facts({"a": ["x", "y"], "b": 1}) == ["a=s:x", "a=s:y", "b=n:1.0"]
