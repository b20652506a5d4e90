"""What went wrong upstream, as `GenerationFailed`: a reason to count, and what to do about it.

A message may reach any tenant's user. It names no host, no key, and of the
upstream's own words at most a short excerpt with whatever looks like an
address or a secret cut out. The exception's cause, for the log, has the rest.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal, cast

import msgspec

from carrel.domain.errors import GenerationFailed
from carrel.remote.retrying import requested_wait

Reason = Literal[
    "connect",  # no connection: wrong address, down, or every connection is in use
    "timeout_first_token",
    "timeout_between_tokens",
    "timeout_total",  # of the answer, with all that was tried for it
    "rate_limited",
    "misconfigured",  # key, address or model: an operator's to mend
    "refused",  # asking again the same way will not help
    "withheld",  # by the provider's content filter
    "upstream_error",  # it failed, or the connection broke
    "bad_response",  # it does not speak the protocol
    "closed",  # this server is stopping
]

MAX_EXCERPT_CHARACTERS: Final = 200
REFUSED_RETRY_AFTER_SECONDS: Final = 30

# Addresses, keys by their usual prefixes, and long runs without a space: what
# is lost of an honest message is less than what a leaked key costs.
_SECRET = re.compile(
    r"https?://\S+ | \b(?:sk|pk|rk|gsk|xai|hf|key|api[-_]?key|bearer)[-_ =:]+\S{6,} | \S{32,}",
    re.IGNORECASE | re.VERBOSE,
)


class UpstreamErrors:
    """Makes the errors of one upstream; *secret* is cut out of every excerpt."""

    def __init__(self, secret: str | None) -> None:
        # A key this short guards nothing, and would be cut out of the middle of words.
        self._secret = secret if secret and len(secret) >= 6 else None

    def from_status(self, status: int, headers: Mapping[str, str], body: bytes) -> GenerationFailed:
        """The error that an HTTP response other than 200 stands for."""
        if status < 400:
            return failure(
                "bad_response",
                f"the language model's address answered HTTP {status}: "
                "the operator must set the address that it leads to",
            )
        if status in {401, 403}:  # no excerpt: providers repeat the key they were given
            return misconfigured(
                f"the language model rejected this server's credentials (HTTP {status}): "
                "the operator must check the LLM's API key"
            )
        said = self._excerpt(_error_in(body))
        if status == 429:
            return _rate_limited(said, retry_after(headers))
        if status >= 500 or status == 408:
            message = f"the language model failed (HTTP {status}): try again{said}"
            failed = failure("upstream_error", message, retry_after(headers))
            failed.asked_to_wait = requested_wait(headers) is not None
            return failed
        if status == 404:
            return misconfigured(
                "the language model's address or its name is unknown upstream (HTTP 404): "
                f"the operator must check both{said}"
            )
        return refusal(f"the language model refused the request (HTTP {status}){said}")

    def from_report(self, error: object) -> GenerationFailed:
        """The error that an upstream reported inside a stream."""
        said = self._excerpt(error)
        fields = cast("dict[str, object]", error) if isinstance(error, dict) else {}
        marks = {str(fields.get(name)) for name in ("code", "status", "type")}
        if marks & {"429", "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"}:
            return _rate_limited(said, 1)
        return failure(
            "upstream_error", f"the language model stopped with an error: try again{said}"
        )

    def _excerpt(self, error: object) -> str:
        """`; it said: "…"`, or nothing where there are no words fit to show."""
        text = error
        if isinstance(error, dict):
            fields = cast("dict[str, object]", error)
            text = fields.get("message") or fields.get("detail")
        if not isinstance(text, str) or "<" in text:  # markup: a proxy's error page
            return ""
        if self._secret:
            text = text.replace(self._secret, "[…]")
        text = _SECRET.sub("[…]", text[: 4 * MAX_EXCERPT_CHARACTERS])
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if len(text) > MAX_EXCERPT_CHARACTERS:
            text = text[: MAX_EXCERPT_CHARACTERS - 1] + "…"
        return f'; it said: "{text}"' if text else ""


def failure(reason: Reason, message: str, retry_after_seconds: int = 1) -> GenerationFailed:
    """A `GenerationFailed` with one of the known reasons."""
    return GenerationFailed(message, reason=reason, retry_after_seconds=retry_after_seconds)


def refusal(message: str) -> GenerationFailed:
    """A failure that trying again will not mend, so that clients are told to wait longer."""
    return failure("refused", message, REFUSED_RETRY_AFTER_SECONDS)


def misconfigured(message: str) -> GenerationFailed:
    """A failure that lasts until an operator mends it."""
    return failure("misconfigured", message, REFUSED_RETRY_AFTER_SECONDS)


def retry_after(headers: Mapping[str, str]) -> int:
    """The whole seconds, 1 to an hour, that a response asks to wait; 1 where it asks nothing."""
    return requested_wait(headers) or 1


def _rate_limited(said: str, retry_after_seconds: int) -> GenerationFailed:
    failed = failure(
        "rate_limited",
        f"the language model is limiting requests: try again in {retry_after_seconds} s{said}",
        retry_after_seconds,
    )
    failed.asked_to_wait = True
    return failed


def _error_in(body: bytes) -> object:
    """What a response's body says went wrong: an object with a message, or plain text."""
    try:
        decoded: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode("utf-8", "replace")
    if isinstance(decoded, list) and decoded:  # Gemini wraps the object in a list
        decoded = cast("list[object]", decoded)[0]
    if isinstance(decoded, dict):
        fields = cast("dict[str, object]", decoded)
        return fields.get("error") or fields
    return None
