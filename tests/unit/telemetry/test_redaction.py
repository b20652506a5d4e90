import pytest

from carrel.telemetry.redaction import MAX_CHARACTERS, redacted
from carrel.tenancy.keys import new_secret


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("write to jo.doe+x@mail.example.org today", "write to [email] today"),
        ("Authorization: Bearer abc.DEF-123", "Authorization: [token]"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln end", "token [token] end"),
        ("my key sk-proj-abcdefghijklmnop1234", "my key [key]"),
        ("card 4111 1111 1111 1111, please", "card [number], please"),
        ("card 4111-1111-1111-1111.", "card [number]."),
        ("378282246310005", "[number]"),
        ("order 12345 of 2026-11-03 for 1,000,000 at 3.50", None),
        ("version 1.2.3, page 40, 30 days", None),
    ],
)
def test_what_looks_like_a_secret_is_replaced_and_nothing_else(text: str, shown: str | None):
    assert redacted(text) == (shown or text)


def test_an_api_key_is_replaced():
    assert redacted(f"is {new_secret()} mine?") == "is [key] mine?"


def test_the_text_is_capped_and_no_secret_is_cut_in_two():
    text = "word " * 398 + "jo@example.org " + "word " * 1_000
    assert len(redacted(text)) == MAX_CHARACTERS
    assert "jo@" not in redacted(text)


def test_a_hostile_text_takes_no_time():
    redacted("1 " * 500_000)
    redacted("a@" * 500_000)
    redacted("eyJ" * 500_000)
