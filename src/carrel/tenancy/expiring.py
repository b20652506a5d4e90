"""A bounded memory whose entries end by themselves.

It never holds more than its size: the entry that was put in first goes first.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


class Expiring(Generic[_K, _V]):
    """At most *size* values by key, each until its time is over."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[_K, tuple[float, _V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: _K) -> _V | None:
        """The value, unless there is none or its time is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= time.monotonic():
            del self._entries[key]
            return None
        return entry[1]

    def put(self, key: _K, value: _V, until: float) -> None:
        """Remember *value* until that time of the monotonic clock."""
        self._entries.pop(key, None)
        self._entries[key] = (until, value)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def drop(self, unwanted: Callable[[_V], bool]) -> None:
        """Forget each value for which *unwanted* is true."""
        for key, (_, value) in list(self._entries.items()):
            if unwanted(value):
                del self._entries[key]

    def clear(self) -> None:
        self._entries.clear()
