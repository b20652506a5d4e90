"""Conditions that a caller can meet, each with a stable code.

    CarrelError
    ├── InvalidRequest          the input is wrong: says which field, and what would be right
    │   ├── UnsupportedMediaType
    │   └── TooLarge
    ├── InvalidApiKey           no key, or one that is unknown, expired or revoked
    ├── InsufficientScope
    ├── NotFound                absent, or another tenant's: the two can't be told apart
    ├── Conflict
    ├── RateLimited             too many requests or tokens a minute, or at once
    ├── BudgetExhausted         the money of this day or month is spent
    ├── QuotaExhausted          the tenant keeps as much here as it may: delete something
    ├── Unavailable             a part is down or busy: try again after `retry_after_seconds`
    │   └── GenerationFailed    the model did not answer, or stopped half-way
    ├── StorageFull
    └── IsolationViolation      a point of another tenant came back: never shown, always an alarm

No error knows an HTTP status: `carrel.api.errors` holds the one table.
"""

from datetime import datetime
from typing import ClassVar

from carrel.domain.tenant import Allowance


class CarrelError(Exception):
    """A condition with a message for people and a `code` for programs."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class InvalidRequest(CarrelError):
    code = "invalid_request"


class UnsupportedMediaType(InvalidRequest):
    code = "unsupported_media_type"


class TooLarge(InvalidRequest):
    code = "too_large"


class InvalidApiKey(CarrelError):
    code = "invalid_api_key"


class InsufficientScope(CarrelError):
    code = "insufficient_scope"


class NotFound(CarrelError):
    code = "not_found"


class Conflict(CarrelError):
    code = "conflict"


class RateLimited(CarrelError):
    """*kind* is a word for metrics: requests, tokens or concurrent.

    Waiting `retry_after_seconds` is enough for a client that is alone.
    """

    code = "rate_limit_exceeded"

    def __init__(
        self,
        message: str,
        *,
        scope: str,
        kind: str,
        retry_after_seconds: int,
        requests: Allowance | None = None,
        tokens: Allowance | None = None,
    ) -> None:
        super().__init__(message)
        self.scope = scope
        self.kind = kind
        self.retry_after_seconds = retry_after_seconds
        self.requests = requests
        self.tokens = tokens


class BudgetExhausted(CarrelError):
    """Trying again before *period_end* is of no use."""

    code = "insufficient_quota"

    def __init__(self, message: str, *, scope: str, period_end: datetime) -> None:
        super().__init__(message)
        self.scope = scope
        self.period_end = period_end


class QuotaExhausted(CarrelError):
    code = "insufficient_quota"


class StorageFull(CarrelError):
    code = "storage_full"


class IsolationViolation(CarrelError):
    code = "internal_error"


class Unavailable(CarrelError):
    code = "unavailable"

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class GenerationFailed(Unavailable):
    """The model's upstream refused, failed or stalled; *reason* is a word for metrics.

    `billable`: it had taken the request, and may charge for the prompt. `asked_to_wait`: it was
    the upstream that named `retry_after_seconds`.
    """

    def __init__(self, message: str, *, reason: str, retry_after_seconds: int = 1) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.reason = reason
        self.billable = False
        self.asked_to_wait = False
