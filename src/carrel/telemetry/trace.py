"""Traces: what a request or a job consists of, in time, across processes.

Off, a span costs one look at a global. On, spans are plain records that are handed over when
they end; nothing here waits, fails or knows OpenTelemetry. What comes from outside is trusted
as an id and as nothing else. No span holds the text of a question, a document, an answer or an
error, but where a tenant asked for that.

Ids and headers: https://www.w3.org/TR/trace-context/
"""

import random
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Literal

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value = str | int | float | bool | tuple[str, ...]

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_EVENTS = 64  # of one span

_PLAIN = (str, int, float, bool, tuple)
_ids = random.Random()  # noqa: S311 - nothing is kept secret by an id of a span

# What says nothing of a fault: a reader left, a server stops.
_LEFT = ("CancelledError", "GeneratorExit")


class Nothing:
    """What stands for a span where nothing is traced."""

    __slots__ = ()

    def __enter__(self) -> "Nothing":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing ends."""

    def set(self, **attributes: Value | None) -> None:
        """Attributes of nothing."""

    def put(self, attributes: Mapping[str, object]) -> None:
        """Attributes of nothing."""

    def event(self, name: str) -> None:
        """An event of nothing."""

    def once(self, name: str) -> None:
        """The same."""


class Span:
    """One piece of work, from when it is made until `end`; as a context manager, the current one.

    Times are nanoseconds since the epoch. A span that is not `sampled` only carries ids on.
    """

    __slots__ = (
        "_before",
        "attributes",
        "ended_ns",
        "events",
        "fault",
        "kind",
        "name",
        "parent_id",
        "root",
        "sampled",
        "span_id",
        "started_ns",
        "trace_id",
    )

    def __init__(
        self,
        name: str,
        kind: Kind,
        *,
        trace_id: str,
        parent_id: str | None,
        sampled: bool,
        root: "Span | None" = None,
    ) -> None:
        self.name = name
        self.kind: Kind = kind
        self.trace_id = trace_id
        self.span_id = f"{_ids.getrandbits(64) or 1:016x}"
        self.parent_id = parent_id
        self.sampled = sampled
        self.root = root or self
        self.started_ns = time.time_ns()
        self.ended_ns = 0
        self.attributes: dict[str, Value] = {}
        self.events: list[tuple[str, int]] = []
        self.fault: str | None = None
        self._before: Span | None = None

    def __enter__(self) -> "Span":
        self._before = _current.get()
        _current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Not by a token: a generator may be ended by another task than began it.
        _current.set(self._before)
        if kind is not None:
            self.fail(kind)
        self.end()

    def set(self, **attributes: Value | None) -> None:
        """Set attributes of ours: `tenant_id` is `carrel.tenant_id`."""
        for name, value in attributes.items():
            if value is not None:
                self.attributes[f"carrel.{name}"] = value

    def put(self, attributes: Mapping[str, object]) -> None:
        """Set attributes by their whole names; what is None, or no plain value, is left out."""
        for name, value in attributes.items():
            if isinstance(value, _PLAIN):
                self.attributes[name] = value

    def event(self, name: str) -> None:
        """Note that something happened, now."""
        if len(self.events) < _EVENTS:
            self.events.append((name, time.time_ns()))

    def once(self, name: str) -> None:
        """Note that something happened, now, unless it has before."""
        if all(name != each for each, _ in self.events):
            self.event(name)

    def fail(self, kind: type[BaseException]) -> None:
        """Note what ended the work: its type, for a message may quote what was asked."""
        if kind.__name__ in _LEFT:
            self.event("left")
        else:
            self.fault = kind.__name__
            self.attributes["error.type"] = kind.__name__

    def end(self) -> None:
        """Hand the span over, once."""
        if not self.ended_ns:
            self.ended_ns = time.time_ns()
            if self.sampled and _ended is not None:
                _ended(self)

    @property
    def traceparent(self) -> str:
        """The header that makes what is asked for a part of this span."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


NOTHING = Nothing()
_current: ContextVar[Span | None] = ContextVar("carrel_span", default=None)
_ended: Callable[[Span], None] | None = None
_ratio = 1.0
_follows = False


def turn_on(ended: Callable[[Span], None], *, ratio: float = 1.0, follows: bool = False) -> None:
    """Trace from now on. *ended* takes each span that ends, and must return at once.

    Of the traces that begin here, and of those that callers began, *ratio* are recorded.
    *follows*: what a caller recorded is recorded here, too, and what it did not is not.
    """
    global _ended, _ratio, _follows
    _ended, _ratio, _follows = ended, ratio, follows


def turn_off() -> None:
    """Trace nothing from now on."""
    global _ended  # noqa: PLW0603 - as above
    _ended = None


def is_on() -> bool:
    """Whether anything is traced."""
    return _ended is not None


def begin(
    name: str, kind: Kind, traceparent: str | None = None, *, own: bool = False
) -> Span | None:
    """The first span here of a trace, which is the current one from now on; None: off.

    *traceparent* is what a caller sent, if anything; *own*: it is another process of ours, which
    has decided whether the trace is recorded.
    """
    if _ended is None:
        return None
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None or match[1] == "ff" or not int(match[2], 16) or not int(match[3], 16):
        trace_id, parent_id, sampled = secrets.token_hex(16), None, None
    else:
        trace_id, parent_id = match[2], match[3]
        sampled = bool(int(match[4], 16) & 1) if own or _follows else None
    if sampled is None:
        # Not by the id's own bits: a caller chooses those.
        sampled = _ids.random() < _ratio
    span = Span(name, kind, trace_id=trace_id, parent_id=parent_id, sampled=sampled)
    _current.set(span)
    return span


def span(name: str, kind: Kind = "internal") -> Span | Nothing:
    """A part of the current span, to be entered; `Nothing` where nothing is recorded."""
    if _ended is None:
        return NOTHING
    current = _current.get()
    if current is None or not current.sampled:
        return NOTHING
    return Span(
        name,
        kind,
        trace_id=current.trace_id,
        parent_id=current.span_id,
        sampled=True,
        root=current.root,
    )


def whole() -> Span | Nothing:
    """The span of the whole request or job."""
    current = None if _ended is None else _current.get()
    return NOTHING if current is None or not current.sampled else current.root


def traceparent() -> str | None:
    """What a service or a job is told, so that its work is part of this; None: off."""
    current = None if _ended is None else _current.get()
    return None if current is None else current.traceparent


def headers() -> dict[str, str] | None:
    """The same as headers of a request."""
    value = traceparent()
    return None if value is None else {"traceparent": value}


def trace_id() -> str | None:
    """The id of the trace that this is part of, for log lines."""
    current = None if _ended is None else _current.get()
    return None if current is None else current.trace_id
