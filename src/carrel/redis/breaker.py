"""Stops asking a Redis that does not answer.

A few failures in a row open it. From then on calls fail at once, without waiting,
but for one each `probe_seconds` that finds out whether Redis is back.
"""

import logging
import time
from collections.abc import Callable

from carrel.telemetry import metrics

log = logging.getLogger(__name__)

FAILURES_TO_OPEN = 3


class Breaker:
    """Open: Redis counts as down. Writes one log line when that begins and one when it ends."""

    def __init__(
        self, where: str, probe_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._where = where
        self._probe_seconds = probe_seconds
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._next_probe = 0.0

    @property
    def is_open(self) -> bool:
        return self._opened_at is not None

    def admits(self) -> bool:
        """Whether to ask now; while open, only the first to ask in each `probe_seconds`."""
        if self._opened_at is None:
            return True
        now = self._clock()
        if now < self._next_probe:
            return False
        self._next_probe = now + self._probe_seconds
        return True

    def succeeded(self) -> None:
        self._failures = 0
        if self._opened_at is None:
            return
        away = self._clock() - self._opened_at
        self._opened_at = None
        metrics.redis_up.set(1)
        log.warning("Redis at %s is back after %.1f s", self._where, away)

    def failed(self, reason: str) -> None:
        """Count a call that was sent and came to nothing."""
        metrics.redis_failures.inc()
        self._failures += 1
        if self._opened_at is not None or self._failures < FAILURES_TO_OPEN:
            return
        self._opened_at = self._clock()
        self._next_probe = self._opened_at + self._probe_seconds
        metrics.redis_up.set(0)
        log.error("Redis at %s does not answer: %s", self._where, reason)
