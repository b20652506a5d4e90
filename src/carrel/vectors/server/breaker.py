"""A breaker: a server that does not answer is asked once in a while, not by every caller.

Callers in between are told at once what the last one waited for. Any answer, an error
included, ends that: the breaker is about a server that is gone, not one that refuses.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from carrel.domain.errors import CarrelError, Unavailable
from carrel.telemetry import metrics
from carrel.vectors.server.failures import Unreachable

FAILURES = 5
PAUSE_SECONDS = 1.0


class Breaker:
    """Counts failures in a row; shared by the callers of one event loop. *clock* is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._open = metrics.breakers_open.labels("qdrant")
        self._clock = clock
        self._failures = 0
        self._answers = 0
        self._said = ""
        self._next_try = 0.0

    @contextmanager
    def watching(self) -> Generator[None]:
        """The block asks the server, and how it ends is noted; a cancelled one says nothing.

        Raises:
            Unavailable: the last `FAILURES` went without an answer, and another caller tried less
                than `PAUSE_SECONDS` ago; the block is not entered.
        """
        self._admit()
        answers = self._answers
        try:
            yield
        except Unreachable as error:
            # One that began before the latest answer is older news than that answer.
            if answers == self._answers:
                self._failures += 1
                if self._failures == FAILURES:
                    self._open.inc()
                self._said = error.message
                self._next_try = self._clock() + PAUSE_SECONDS
            raise
        except CarrelError:
            self._answered()
            raise
        else:
            self._answered()

    def close(self) -> None:
        """Nobody asks any more: it counts as open no longer."""
        self._answered()

    def _admit(self) -> None:
        if self._failures < FAILURES:
            return
        now = self._clock()
        if now < self._next_try:
            raise Unavailable(self._said)
        # Moved before it is known how the try ends: one that hangs does not keep the next away.
        self._next_try = now + PAUSE_SECONDS

    def _answered(self) -> None:
        self._answers += 1
        if self._failures >= FAILURES:
            self._open.dec()
        self._failures = 0
