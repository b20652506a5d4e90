from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest

from carrel.generation.upstream_errors import (
    MAX_EXCERPT_CHARACTERS,
    UpstreamErrors,
    retry_after,
)
from carrel.remote.retrying import MAX_RETRY_AFTER_SECONDS


def message_for(body: bytes, *, status: int = 400, secret: str | None = None) -> str:
    return UpstreamErrors(secret).from_status(status, {}, body).message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 1),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0.2"}, 1),
        ({"Retry-After": "6.1"}, 7),
        ({"Retry-After": "-5"}, 1),
        ({"Retry-After": "nan"}, 1),
        ({"Retry-After": "inf"}, MAX_RETRY_AFTER_SECONDS),
        ({"Retry-After": "99999999"}, MAX_RETRY_AFTER_SECONDS),
        ({"Retry-After": "soon"}, 1),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 1),
        ({"retry-after-ms": "2500"}, 3),
        ({"retry-after-ms": "soon"}, 1),
        ({"Retry-After": "7", "retry-after-ms": "2500"}, 7),
    ],
)
def test_the_time_to_wait_is_read_from_the_headers(headers: dict[str, str], seconds: int) -> None:
    assert retry_after(headers) == seconds


def test_the_time_to_wait_may_be_a_date() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    assert retry_after({"Retry-After": moment}) == MAX_RETRY_AFTER_SECONDS


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "Too long"}}',
        b'{"error": "Too long"}',
        b'{"object": "error", "message": "Too long"}',
        b'{"detail": "Too long"}',
        b'[{"error": {"message": "Too long"}}]',
        b"Too long",
        b"Too\x00\n\x1b long",
    ],
)
def test_an_upstreams_words_are_quoted(body: bytes) -> None:
    assert message_for(body).endswith('it said: "Too long"')


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"7", b"{}", b'{"error": {}}', b"<html>Bad gateway</html>"]
)
def test_a_body_without_words_is_not_quoted(body: bytes) -> None:
    assert "it said" not in message_for(body)


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdef123456",
        "gsk_abcdef123456",
        "Bearer abcdef123456",
        "api_key=abcdef123456",
        "https://internal.example/path",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
    ],
)
def test_what_looks_like_a_secret_is_cut_out(secret: str) -> None:
    body = msgspec.json.encode({"error": {"message": f"You sent {secret} here"}})
    message = message_for(body)
    assert secret.rsplit(maxsplit=1)[-1] not in message
    assert "You sent […]" in message


def test_the_configured_key_is_cut_out_whatever_it_looks_like() -> None:
    assert "hunter2" not in message_for(b"I know hunter2 already", secret="hunter2")


def test_ordinary_words_are_left() -> None:
    said = "This model's maximum context length is 8192 tokens; the keys of the task are many."
    assert said in message_for(said.encode())


def test_a_long_excerpt_is_cut() -> None:
    message = message_for(b"word " * 10_000)
    assert len(message) < MAX_EXCERPT_CHARACTERS + 120
    assert message.endswith('…"')


@pytest.mark.parametrize("status", [401, 403])
def test_nothing_is_quoted_where_the_key_was_rejected(status: int) -> None:
    assert "secret" not in message_for(b'{"error": "the secret is: s3cr"}', status=status)
