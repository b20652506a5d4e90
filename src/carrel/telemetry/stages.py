"""How long each stage of a request took, and what came of it: for its line in the log.

A stage is a span of the request's trace, too, where that is recorded: the same call times both.
"""

import time
from types import TracebackType

from prometheus_client import Histogram

from carrel.telemetry import trace

LONGEST_SECONDS = 3_600


class Stages:
    """Milliseconds by stage, from the moment this was made.

    `facts` are what else the line says, by name: counts and words, never content.
    """

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self.milliseconds: dict[str, float] = {}
        self.facts: dict[str, object] = {}

    def time(self, stage: str) -> "_Stage":
        """Add the time of the block to *stage*; it is a span, which the block is given."""
        return _Stage(self, stage)

    def mark(self, stage: str) -> None:
        """Set *stage* to the time since the start, the first time it is reached."""
        if stage not in self.milliseconds:
            self.milliseconds[stage] = (time.perf_counter() - self._start) * 1000
            trace.whole().event(stage)


class _Block:
    """The time of a block, which is a span called *name*, and is given it."""

    __slots__ = ("_span", "_start")

    def __init__(self, name: str) -> None:
        self._span = trace.span(name)
        self._start = 0.0

    def took(self, seconds: float) -> None:
        raise NotImplementedError

    def __enter__(self) -> trace.Span | trace.Nothing:
        self._start = time.perf_counter()
        return self._span.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.took(time.perf_counter() - self._start)
        self._span.__exit__(kind, error, traceback)


class _Stage(_Block):
    __slots__ = ("_name", "_stages")

    def __init__(self, stages: Stages, name: str) -> None:
        super().__init__(name)
        self._stages = stages
        self._name = name

    def took(self, seconds: float) -> None:
        milliseconds = self._stages.milliseconds
        milliseconds[self._name] = milliseconds.get(self._name, 0.0) + seconds * 1000


class timed(_Block):  # noqa: N801 - reads as what it does: `with timed(…):`
    """Observes the time of the block."""

    __slots__ = ("_histogram",)

    def __init__(self, histogram: Histogram, name: str) -> None:
        super().__init__(name)
        self._histogram = histogram

    def took(self, seconds: float) -> None:
        self._histogram.observe(seconds)


def observe_past(histogram: Histogram, name: str, seconds: float) -> None:
    """The same for what another process did just now, and took *seconds* for, as it says."""
    seconds = seconds if 0 <= seconds < LONGEST_SECONDS else 0.0  # it need not say the truth
    histogram.observe(seconds)
    span = trace.span(name)
    if isinstance(span, trace.Span):
        span.started_ns -= int(seconds * 1e9)
        span.end()
