"""Questions as they are kept with their generations."""

from datetime import UTC, datetime

import pytest

from carrel.answering.kept_question import as_asked, as_kept
from carrel.answering.question import Question
from carrel.domain.answer import Message
from carrel.domain.filter import AnyOf, Between, During
from carrel.domain.ids import KeyId, RequestId, TenantId

QUESTION = Question(
    tenant_id=TenantId("ten_secret"),
    key_id=KeyId("key_secret"),
    request_id=RequestId("req_secret"),
    route="/v1/query",
    text="How long?",
    top_k=3,
    max_tokens=100,
    where=(
        AnyOf("lang", ("en", 1, 2.5, True)),
        Between("year", 2020, None),
        During("at", None, datetime(2026, 1, 1, tzinfo=UTC)),
    ),
    history=(Message("user", "Hello"), Message("assistant", "Hi")),
    groups=("board", "hr"),
    cache="bypass",
)


def test_what_was_asked_is_kept_and_nothing_of_who_asked():
    data = as_kept(QUESTION)
    kept = as_asked(data)
    assert kept.conditions() == QUESTION.where
    fields = ("text", "top_k", "max_tokens", "history", "groups", "cache", "route")
    assert all(getattr(kept, each) == getattr(QUESTION, each) for each in fields)
    assert b"secret" not in data


@pytest.mark.parametrize(
    ("groups", "sees"),
    [((), False), (("hr",), False), (("hr", "board"), True), (("a", "hr", "board"), True)],
)
def test_it_is_for_those_who_see_as_much(groups: tuple[str, ...], sees: bool):
    assert as_asked(as_kept(QUESTION)).is_for(groups) == sees
