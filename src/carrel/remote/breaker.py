"""A breaker: a service that does not answer is asked once in a while, not by every caller.

Callers in between are told at once what the last one waited for. Any answer, a refusal
included, ends that: the breaker is about a service that is gone or choking.
"""

import time
from collections.abc import Callable

from carrel.domain.errors import Unavailable

FAILURES = 5
PAUSE_SECONDS = 1.0


class Breaker:
    """Counts failures in a row; shared by the callers of one event loop. *clock* is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._said = ""
        self._next_try = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= FAILURES

    def admit(self) -> None:
        """Let a request pass.

        Raises:
            Unavailable: the last `FAILURES` failed, and another was let through less than
                `PAUSE_SECONDS` ago.
        """
        if self._failures < FAILURES:
            return
        now = self._clock()
        if now < self._next_try:
            raise Unavailable(self._said)
        # Moved before it is known how the try ends: one that hangs does not keep the next away.
        self._next_try = now + PAUSE_SECONDS

    def failed(self, said: str) -> None:
        """Note a request without an answer, and what its caller was told."""
        self._failures += 1
        self._said = said
        self._next_try = self._clock() + PAUSE_SECONDS

    def answered(self) -> None:
        """Note an answer."""
        self._failures = 0
