"""What makes two questions one, and what does not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from carrel.caching.fingerprint import Fingerprint, fingerprint
from carrel.domain.answer import Message
from carrel.domain.filter import AnyOf, Between, During
from carrel.domain.ids import TenantId

ASKED: dict[str, Any] = {
    "tenant_id": TenantId("ten_a"),
    "question": "How long do refunds take?",
    "groups": ("staff",),
    "history": (),
    "where": (),
    "top_k": 8,
    "max_tokens": 512,
    "setup": "small",
}


def name(**other: Any) -> Fingerprint:
    return fingerprint(**{**ASKED, **other})


def test_the_same_question_has_the_same_name():
    assert name() == name()
    assert len(name()) == 48


@pytest.mark.parametrize(
    "question", [" How long do  refunds take? ", "How long\ndo refunds\u00a0take?"]
)
def test_spaces_do_not_count(question: str):
    assert name(question=question) == name()


def test_letters_composed_or_not_are_the_same():
    assert name(question="Caf\u00e9?") == name(question="Cafe\u0301?")


def test_the_order_of_groups_does_not_count():
    assert name(groups=("a", "b")) == name(groups=("b", "a", "b"))


TURN = Message("user", "And then?")
OTHERS: list[dict[str, Any]] = [
    {"tenant_id": TenantId("ten_b")},
    {"question": "How long did refunds take?"},
    {"question": "how long do refunds take?"},
    {"groups": ()},
    {"groups": ("staff", "guests")},
    {"groups": ("staffguests",)},
    {"history": (TURN,)},
    {"history": (TURN, TURN)},
    {"history": (Message("assistant", "And then?"),)},
    {"where": (AnyOf("year", (2024,)),)},
    {"where": (AnyOf("year", ("2024",)),)},
    {"where": (AnyOf("year", (2024.0,)),)},
    {"where": (AnyOf("year", (True,)),)},
    {"where": (AnyOf("year", (1,)),)},
    {"where": (AnyOf("month", (2024,)),)},
    {"where": (Between("year", 2024, None),)},
    {"where": (Between("year", None, 2024),)},
    {"where": (During("year", datetime(2024, 1, 1, tzinfo=UTC), None),)},
    {"where": (During("year", None, datetime(2024, 1, 1, tzinfo=UTC)),)},
    {"top_k": 9},
    {"max_tokens": 513},
    {"setup": "large"},
]


def test_whatever_else_differs_makes_another_name():
    names = [name(), *(name(**other) for other in OTHERS)]
    assert len(set(names)) == len(names)


def test_what_runs_together_when_it_is_written_is_told_apart():
    assert name(question="a", setup="b c") != name(question="a b", setup="c")
    assert name(groups=("a,b",)) != name(groups=("a", "b"))
