"""How many questions may wait for their first token at once.

While first tokens come in time, as many as there are. When they come much later than they
lately did at their fastest, more is asked than is begun, and what is let in on top only waits:
then as many may wait as were lately begun in the time that a first token may take (Little's
law). That is no guess, so nothing has to be approached; and it is no verdict, so it is relaxed
step by step as soon as first tokens come in time again.

The floor is that of Envoy's adaptive concurrency filter: measured anew where even the fewest
are late. Limits by gradient alone (Netflix's, Envoy's) fall again and again while what was let
in before drains away: see docs/decisions/0023.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from statistics import median

LEAST = 8
WINDOW_SECONDS = 0.25
LONGEST_WINDOW_SECONDS = 3.0
LEAST_SAMPLES = 10
RATE_SECONDS = 3.0  # over which first tokens are counted
RISE_PER_SECOND = 1.25
TOLERANCE = 2.0
# The floor is that of the last one or two such stretches in which nobody was held back.
FORGET_SECONDS = 150.0
REMEASURE_SECONDS = 5.0


class AdaptiveLimit:
    """At most *most* may wait, and `LEAST` always. Late is *slow_seconds* above twice the floor.

    Windows end when someone asks: `limit` is as of the last `update`. *clock* is in seconds.
    """

    def __init__(
        self, most: int, *, slow_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._least = min(LEAST, most)
        self._slow_seconds = slow_seconds
        self._clock = clock
        self._limit = float(most)
        self._samples: list[float] = []
        self._began = self._stretch_began = clock()
        self._counts: deque[tuple[float, int]] = deque()
        self._floors: list[float] = []  # of this stretch, and of the one before
        self._peak = 0
        self._least_since: float | None = None

    @property
    def limit(self) -> int:
        """How many may wait for their first token."""
        return int(self._limit)

    def sample(self, seconds: float) -> None:
        """Take in the time to one first token."""
        self._samples.append(seconds)

    def update(self, since: Iterable[float]) -> None:
        """End the window, if it is over; *since*: from when on those wait who have no token."""
        now = self._clock()
        age = now - self._began
        if age < WINDOW_SECONDS:
            return
        late = self._late_seconds
        waited = [now - each for each in since]
        self._peak = max(self._peak, len(waited))
        # Those who wait are late already, however long it will be.
        seen = self._samples + [each for each in waited if late and each > late]
        if len(seen) < LEAST_SAMPLES and age < LONGEST_WINDOW_SECONDS:
            return
        self._count(now)
        if len(seen) >= LEAST_SAMPLES:
            self._judge(median(seen), now, age)
        else:
            self._rise(age)
        self._samples.clear()
        self._began, self._peak = now, 0

    @property
    def _late_seconds(self) -> float | None:
        """From when on a first token is late; None: too little is known."""
        return TOLERANCE * min(self._floors) + self._slow_seconds if self._floors else None

    def _judge(self, seconds: float, now: float, age: float) -> None:
        self._note_floor(seconds, now)
        late = self._late_seconds
        if late is None or seconds <= late:
            self._rise(age)
        elif self._peak >= self._least:  # fewer are not late for their number
            self._fall(late, seconds, now)

    def _rise(self, age: float) -> None:
        self._least_since = None
        if self._limit < self._most:
            self._limit = min(self._most, self._limit * RISE_PER_SECOND ** min(age, 60))

    def _fall(self, late: float, seconds: float, now: float) -> None:
        # Half-way between the fastest and late: at the limit itself, half of them would be late.
        allowed = (min(self._floors) + late) / 2
        self._limit = min(self._limit, max(self._least, self._rate(now) * allowed))
        if self._limit > self._least:
            self._least_since = None
        elif self._least_since is None:
            self._least_since = now
        elif now - self._least_since > REMEASURE_SECONDS:
            self._floors, self._least_since = [seconds], None

    def _count(self, now: float) -> None:
        self._counts.append((self._began, len(self._samples)))
        while len(self._counts) > 1 and self._counts[1][0] <= now - RATE_SECONDS:
            self._counts.popleft()

    def _rate(self, now: float) -> float:
        """First tokens a second, of late."""
        return sum(count for _, count in self._counts) / (now - self._counts[0][0])

    def _note_floor(self, seconds: float, now: float) -> None:
        if now - self._stretch_began > FORGET_SECONDS and self._limit >= self._most:
            self._floors = [seconds, *self._floors[:1]]
            self._stretch_began = now
        elif self._floors:
            self._floors[0] = min(self._floors[0], seconds)
        else:
            self._floors = [seconds]
