"""A breaker: a service that does not answer is asked once in a while, not by every caller.

Callers in between are told at once what the last one waited for. Any answer, a refusal
included, ends that: the breaker is about a service that is gone or choking.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from carrel.domain.errors import CarrelError, Unavailable

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
    probe is let through in each *pause_seconds*. *clock* is in seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        strict: bool = False,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._clock = clock
        self._strict = strict
        self._pause_seconds = pause_seconds
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
            self._failures = max(0, self._failures - 1)

    def failed(self, tried: Try, said: str) -> None:
        """Note a request without an answer, and what its caller was told."""
        # One that began before the latest answer, or closing, is older news than that.
        if tried.era == self._era:
            was_open = self.is_open
            self._failures = min(self._failures + 1, FAILURES)
            self._said = said
            if tried.probe or not (self._strict and was_open):
                self.hold(self._pause_seconds)

    def open(self, said: str) -> None:
        """Open it: somebody else found the service gone."""
        self._failures, self._said = FAILURES, said
        self.hold(self._pause_seconds)

    def close(self) -> None:
        self._failures = 0
        self._era += 1

    def hold(self, seconds: float) -> None:
        """Let no probe through for *seconds* from now."""
        self._next_try = self._clock() + seconds

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
