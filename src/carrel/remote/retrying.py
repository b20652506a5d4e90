"""Whether and when a failed request is sent again.

Retries are at most a share of all requests, with a few to begin with: a service
that is overloaded is not sent twice the load for it.
"""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Final

ATTEMPTS: Final = 3
EARNED: Final = 0.1  # of a retry, by each request
SAVED: Final = 10.0  # retries at most
FIRST_PAUSE_SECONDS: Final = 0.1
MAX_RETRY_AFTER_SECONDS: Final = 3600


class RetryBudget:
    """Retries that are left, shared by the callers of one service.

    In any stretch of time they are at most `SAVED`, and *earned* for each first try.
    """

    def __init__(self, earned: float = EARNED) -> None:
        self._earned = earned
        self._left = SAVED

    def earn(self) -> None:
        """Count a first try."""
        self._left = min(self._left + self._earned, SAVED)

    def spend(self) -> bool:
        """Take one retry, if one is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


def pause_before(attempt: int, retry_after: float | None) -> float:
    """Seconds to wait before *attempt* (2 for the first retry), random so that callers spread."""
    pause = FIRST_PAUSE_SECONDS * 2 ** (attempt - 2) * random.uniform(0.5, 1.5)  # noqa: S311
    return max(pause, retry_after or 0.0)


def requested_wait(headers: Mapping[str, str]) -> int | None:
    """The whole seconds, 1 to an hour, that a response asks to wait (RFC 9110, 10.2.3).

    OpenAI's `retry-after-ms` is used where there is no `Retry-After`; None without either.
    """
    if value := headers.get("Retry-After"):
        try:
            seconds = float(value)
        except ValueError:
            seconds = _seconds_until(value)
    elif value := headers.get("retry-after-ms"):
        try:
            seconds = float(value) / 1000
        except ValueError:
            return None
    else:
        return None
    return ceil(min(seconds, MAX_RETRY_AFTER_SECONDS)) if seconds > 1 else 1  # "nan" gives 1


def _seconds_until(date: str) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return 1.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()
