"""A dictionary that holds so many bytes and no more: the longest unused make room."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from carrel.telemetry import metrics

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """At most *max_bytes* of values, whose sizes the caller says; *what* names it in metrics.

    *dropped* is called with each key and value that leaves, for whatever reason.
    """

    def __init__(
        self,
        max_bytes: int,
        *,
        what: str,
        dropped: Callable[[K, V], None] = lambda _key, _value: None,
    ) -> None:
        self._max_bytes = max_bytes
        self._dropped = dropped
        self._held: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._bytes = 0
        self._gauge = metrics.cache_bytes.labels(what)

    def __len__(self) -> int:
        return len(self._held)

    @property
    def keys(self) -> list[K]:
        return list(self._held)

    def get(self, key: K) -> V | None:
        """The value, which counts as used."""
        held = self._held.get(key)
        if held is None:
            return None
        self._held.move_to_end(key)
        return held[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Hold *value*, of *size* bytes, in place of what was there; not if it is too large."""
        self.remove(key)
        if size > self._max_bytes:
            return
        self._held[key] = (value, size)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self.remove(next(iter(self._held)))
        self._gauge.set(self._bytes)

    def remove(self, key: K) -> None:
        """Let go of *key*, if it is held."""
        held = self._held.pop(key, None)
        if held is not None:
            self._bytes -= held[1]
            self._gauge.set(self._bytes)
            self._dropped(key, held[0])
