"""How many answers at once the time to their first token allows.

When first tokens come much later than they lately did at their fastest, more is asked than
is answered, and what is let in on top only waits: the limit falls in proportion. When they
come in time it rises again, by a part each second.

After Netflix's gradient limits (github.com/Netflix/concurrency-limits) and Envoy's adaptive
concurrency filter: a gradient of latencies downwards, a multiplicative rise, and a floor that
is measured anew where even the fewest answers at once are slow.
"""

import time
from collections.abc import Callable, Iterable
from math import ceil
from statistics import median

LEAST = 16
WINDOW_SECONDS = 1.0
LONGEST_WINDOW_SECONDS = 5.0
LEAST_SAMPLES = 10
RISE = 0.15
STEEPEST = 0.5
TOLERANCE = 2.0
# The floor is of the last one or two such stretches in which nothing was held back.
FORGET_SECONDS = 150.0
REMEASURE_WINDOWS = 5


class AdaptiveLimit:
    """At most *most*, and not less than `LEAST`. *slow_seconds* are allowed above twice the floor.

    Windows end when someone asks: `limit` is as of the last `update`. *clock* is in seconds.
    """

    def __init__(
        self,
        most: int,
        *,
        slow_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._least = min(LEAST, most)
        self._slow_seconds = slow_seconds
        self._clock = clock
        self._limit = float(most)
        self._samples: list[float] = []
        self._began = clock()
        self._floors: list[float] = []  # of this stretch, and of the one before
        self._stretch_began = clock()
        self._peak = 0
        self._windows_at_least = 0

    @property
    def limit(self) -> int:
        return int(self._limit)

    @property
    def late_seconds(self) -> float | None:
        """From when on a first token is late; None: too little is known."""
        return TOLERANCE * min(self._floors) + self._slow_seconds if self._floors else None

    def sample(self, seconds: float) -> None:
        """Take in the time to one first token."""
        self._samples.append(seconds)

    def update(self, at_once: int, waiting: Callable[[], Iterable[float]]) -> None:
        """End the window, if it is over; *waiting*: since when those without a token wait."""
        self._peak = max(self._peak, at_once)
        now = self._clock()
        age = now - self._began
        if age < WINDOW_SECONDS:
            return
        late = self.late_seconds
        if late is not None:  # they are late already, however long it will be
            self._samples += (now - each for each in waiting() if now - each > late)
        if len(self._samples) < LEAST_SAMPLES and age < LONGEST_WINDOW_SECONDS:
            self._samples = [each for each in self._samples if late is None or each <= late]
            return
        self._end_window(now, int(age / WINDOW_SECONDS))

    def _end_window(self, now: float, windows: int) -> None:
        seconds = median(self._samples) if len(self._samples) >= LEAST_SAMPLES else None
        if seconds is not None:
            self._note_floor(seconds, now)
        late = self.late_seconds
        if seconds is None or late is None or seconds <= late:
            self._limit = min(self._most, max(self._limit + 1, self._limit * (1 + RISE)))
            for _ in range(min(windows, 30) - 1):
                self._limit = min(self._most, self._limit * (1 + RISE))
            self._windows_at_least = 0
        elif self._peak >= self._least:  # with fewer at once, it is not for their number
            self._fall(late / seconds, seconds)
        self._samples.clear()
        self._began, self._peak = now, 0

    def _fall(self, gradient: float, seconds: float) -> None:
        lowered = min(self._limit, self._peak) * max(STEEPEST, gradient)
        self._limit = max(self._least, ceil(lowered))
        self._windows_at_least += self._limit == self._least
        if self._windows_at_least >= REMEASURE_WINDOWS:
            self._floors, self._windows_at_least = [seconds], 0

    def _note_floor(self, seconds: float, now: float) -> None:
        # While answers are held back, what is measured is no floor.
        if now - self._stretch_began > FORGET_SECONDS and self.limit == self._most:
            self._floors = [seconds, *self._floors[:1]]
            self._stretch_began = now
        elif self._floors:
            self._floors[0] = min(self._floors[0], seconds)
        else:
            self._floors = [seconds]
