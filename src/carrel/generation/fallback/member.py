"""One upstream among several: whether it may be asked now, and what became of those who asked.

It is left alone while it has asked for that (429, `Retry-After`), while its breaker is open,
and while as many answers are being written as it may write at once.
"""

import time
from collections.abc import Generator as Block
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from carrel.domain.answer import Message
from carrel.domain.errors import GenerationFailed, Unavailable
from carrel.generation.generator import Finish, Generator
from carrel.remote.breaker import Breaker, Try
from carrel.telemetry import metrics

PAUSE_SECONDS = 5.0

Why = Literal["waiting", "open", "full"]

# An upstream that is not there, or chokes, or that an operator must see to first.
_BREAKS = frozenset(
    {
        "connect",
        "timeout_first_token",
        "timeout_between_tokens",
        "timeout_total",
        "upstream_error",
        "bad_response",
        "misconfigured",
    }
)


class Upstream(Generator, Protocol):
    """A `Generator` that writes other texts than answers, too."""

    async def complete(self, messages: Sequence[Message], *, max_tokens: int) -> tuple[str, Finish]:
        """What it writes to *messages*, and the end. Raises `GenerationFailed`."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """How an upstream is used: the lowest `priority` first, within it by `weight`.

    `probe_seconds`: for how long, at most, a probe may be without a first token. `address` tells
    upstreams of one name apart that replicas have in turn.
    """

    name: str
    address: str = ""
    priority: int = 1
    weight: int = 1
    max_concurrency: int = 512
    probe_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an upstream is not asked now, and for how many seconds it will not be."""

    why: Why
    seconds: float = 1.0
    said: str = ""


class Standings(Protocol):
    """What replicas tell each other of their upstreams."""

    async def take_probe(self, member: "Member") -> bool:
        """Whether this replica may probe, so that no other does meanwhile."""
        ...

    def probed(self, member: "Member", *, pause_seconds: float) -> None:
        """The probe is over; the next is to wait for *pause_seconds*."""
        ...

    def waits(self, member: "Member", seconds: float) -> None: ...

    def opened(self, member: "Member", said: str) -> None: ...

    def closed(self, member: "Member") -> None: ...


class Attempt:
    """One request to *member*, under way."""

    __slots__ = ("_member", "_started", "begun", "outcome", "tried")

    def __init__(self, member: "Member", tried: Try) -> None:
        self._member = member
        self._started = time.monotonic()
        self.tried = tried
        self.begun = False
        self.outcome = "left"

    def note(self, part: object) -> None:
        """Take in what comes, token by token: the first is enough for a probe."""
        if not self.begun:
            self.begun = True
            seconds = time.monotonic() - self._started
            metrics.upstream_first_token_seconds.labels(self._member.terms.name).observe(seconds)
            if self.tried.probe:
                self._member.answered(self)
        if isinstance(part, Finish):
            self.outcome = "ok"


class Member:
    """An upstream and its standing; *standings* are shared with other replicas, None: alone."""

    def __init__(
        self,
        upstream: Upstream,
        terms: Terms,
        standings: Standings | None = None,
        *,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self.upstream = upstream
        self.terms = terms
        self.in_flight = 0
        self.breaker = Breaker(strict=True, pause_seconds=pause_seconds)
        self._pause_seconds = pause_seconds
        self._standings = standings
        self._wait_until = 0.0
        metrics.upstream_open.labels(terms.name).set(0)

    @property
    def model(self) -> str:
        return self.upstream.model

    def obstacle(self) -> Obstacle | None:
        """What is in the way of asking it now."""
        if (wait := self._wait_until - time.monotonic()) > 0:
            return Obstacle("waiting", wait)
        if self.breaker.is_open and (pause := self.breaker.seconds_to_probe):
            return Obstacle("open", pause, self.breaker.said)
        if self.in_flight >= self.terms.max_concurrency:
            return Obstacle("full")
        return None

    async def enter(self) -> Attempt | None:
        """Take a place, for `asked`; None: another replica finds out whether it is back."""
        self._count(+1)
        try:
            tried = self.breaker.admit()
            if tried.probe:
                self.breaker.hold(self.terms.probe_seconds)
                if self._standings and not await self._standings.take_probe(self):
                    self.breaker.hold(self._pause_seconds)
                    self._count(-1)
                    return None
        except BaseException as error:
            self._count(-1)
            if isinstance(error, Unavailable):
                return None
            self.breaker.hold(0)
            raise
        return Attempt(self, tried)

    @contextmanager
    def asked(self, attempt: Attempt) -> Block[None]:
        """The block is the *attempt*; how it ends is noted, and its place is free afterwards."""
        try:
            yield
        except GenerationFailed as error:
            attempt.outcome = error.reason
            self._failed(attempt, error)
            raise
        finally:
            if attempt.outcome == "ok" and not attempt.tried.probe:
                self.answered(attempt)
            self._leave(attempt)

    def answered(self, attempt: Attempt) -> None:
        """It works."""
        was_open = self.breaker.is_open
        self.breaker.answered(attempt.tried)
        if was_open and not self.breaker.is_open:
            if self._standings:
                self._standings.closed(self)
            self._show()

    def _failed(self, attempt: Attempt, error: GenerationFailed) -> None:
        if error.asked_to_wait:
            self.wait(error.retry_after_seconds)
            if self._standings:
                self._standings.waits(self, error.retry_after_seconds)
        if error.reason in _BREAKS:
            was_open = self.breaker.is_open
            self.breaker.failed(attempt.tried, error.message)
            news = attempt.tried.probe or not was_open
            if self._standings and self.breaker.is_open and news:
                self._standings.opened(self, error.message)
            self._show()
        elif error.reason != "closed":  # it limits or refuses: so it is there
            self.answered(attempt)

    def _leave(self, attempt: Attempt) -> None:
        self._count(-1)
        metrics.upstream_attempts.labels(self.terms.name, attempt.outcome).inc()
        if not attempt.tried.probe:
            return
        failed = self.breaker.is_open and attempt.outcome in _BREAKS
        if self.breaker.is_open and not failed:  # whoever asked has left: the next may find out
            self.breaker.hold(0)
        if self._standings:
            self._standings.probed(self, pause_seconds=self._pause_seconds if failed else 0)

    def wait(self, seconds: float) -> None:
        """Have it left alone for *seconds* from now, or longer if it asked for more before."""
        self._wait_until = max(self._wait_until, time.monotonic() + seconds)

    def hear_opened(self, said: str) -> None:
        """Another replica found it gone."""
        if not self.breaker.is_open:
            self.breaker.open(said)
            self._show()

    def hear_closed(self) -> None:
        """Another replica was answered by it."""
        if self.breaker.is_open:
            self.breaker.close()
            self._show()

    def _count(self, change: int) -> None:
        self.in_flight += change
        metrics.upstream_in_flight.labels(self.terms.name).set(self.in_flight)

    def _show(self) -> None:
        metrics.upstream_open.labels(self.terms.name).set(self.breaker.is_open)
