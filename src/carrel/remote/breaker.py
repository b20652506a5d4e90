"""A breaker: a service that does not answer is asked once in a while, not by every caller.

Callers in between are told at once what the last one waited for. Any answer, a refusal
included, ends that: the breaker is about a service that is gone or choking.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from carrel.domain.errors import CarrelError, Unavailable
from carrel.telemetry import metrics

FAILURES = 5
PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Try:
    """A request that was let through. `probe`: it is to find out whether the service is back."""

    era: int
    probe: bool


class Breaker:
    """Opens after `FAILURES`; shared by the callers of one event loop.

    An answer makes up for all failures before it; *strict*: for one, so that a service which
    fails every other request is left alone, too, until a probe is answered. While open, one
    probe is let through in each *pause_seconds*. *clock* is in seconds. *counted_as* is what
    the service is called among the breakers that are open, in metrics.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        strict: bool = False,
        pause_seconds: float = PAUSE_SECONDS,
        counted_as: str | None = None,
    ) -> None:
        self._clock = clock
        self._strict = strict
        self._pause_seconds = pause_seconds
        self._open_now = metrics.breakers_open.labels(counted_as) if counted_as else None
        self._failures = 0
        self._era = 0
        self._said = ""
        self._next_try = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= FAILURES

    @property
    def said(self) -> str:
        """What the last caller who failed was told."""
        return self._said

    @property
    def seconds_to_probe(self) -> float:
        """Until a probe is let through; 0 while closed."""
        return max(0.0, self._next_try - self._clock()) if self.is_open else 0.0

    def admit(self) -> Try:
        """Let a request pass; `answered` or `failed` is to follow.

        Raises:
            Unavailable: open, and another was let through less than the pause ago.
        """
        if not self.is_open:
            return Try(self._era, probe=False)
        if self.seconds_to_probe:
            raise Unavailable(self._said)
        # Moved before it is known how the try ends: one that hangs does not keep the next away.
        self.hold(self._pause_seconds)
        return Try(self._era, probe=True)

    def answered(self, tried: Try) -> None:
        """Note an answer."""
        if not self._strict or tried.probe:
            self.close()
        elif not self.is_open:
            self._count(max(0, self._failures - 1))

    def failed(self, tried: Try, said: str) -> None:
        """Note a request without an answer, and what its caller was told."""
        # One that began before the latest answer, or closing, is older news than that.
        if tried.era == self._era:
            was_open = self.is_open
            self._count(min(self._failures + 1, FAILURES))
            self._said = said
            if tried.probe or not (self._strict and was_open):
                self.hold(self._pause_seconds)

    def open(self, said: str) -> None:
        """Open it: somebody else found the service gone."""
        self._count(FAILURES)
        self._said = said
        self.hold(self._pause_seconds)

    def close(self) -> None:
        """The service answers again; or nobody asks it any more."""
        self._count(0)
        self._era += 1

    def hold(self, seconds: float) -> None:
        """Let no probe through for *seconds* from now."""
        self._next_try = self._clock() + seconds

    def _count(self, failures: int) -> None:
        was_open, self._failures = self.is_open, failures
        if self._open_now and was_open != self.is_open:
            self._open_now.inc(1 if self.is_open else -1)

    @contextmanager
    def watching(self, gone: type[CarrelError]) -> Generator[None]:
        """The block asks the service, and how it ends is noted; a cancelled one says nothing.

        *gone* is the error of a service that does not answer; any other is an answer.

        Raises:
            Unavailable: as `admit`; the block is not entered.
        """
        tried = self.admit()
        try:
            yield
        except gone as error:
            self.failed(tried, error.message)
            raise
        except CarrelError:
            self.answered(tried)
            raise
        else:
            self.answered(tried)
