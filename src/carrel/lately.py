"""What was worked out a moment ago, for what is asked for again and again."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

LATELY_SECONDS = 10.0

K = TypeVar("K")
V = TypeVar("V")


class Lately(Generic[K, V]):
    """Values by key: at most *size*, and none for longer than `LATELY_SECONDS` of use.

    A key says all of what its value is made of: nothing here can be out of date.
    """

    def __init__(self, size: int = 128, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._since = 0.0
        self._values: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._values)

    def of(self, key: K, make: Callable[[], V]) -> V:
        """The value of *key*, which *make* works out."""
        now = self._clock()
        if now - self._since > LATELY_SECONDS or len(self._values) >= self._size:
            self._values.clear()
            self._since = now
        value = self._values.get(key)
        if value is None:
            value = self._values[key] = make()
        return value
