"""Settlements that Redis could not be told, kept until it can be.

Bounded: beyond that the oldest go, and an audit finds them in the ledger.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from carrel.domain.errors import Unavailable
from carrel.limits.meter import Finish, Meter

MAX_KEPT = 100_000
AT_ONCE = 1_000


class Undelivered:
    """Ends of requests that held, or spent, money."""

    def __init__(self, meter: Meter, clock: Callable[[], float] = time.monotonic) -> None:
        self._meter = meter
        self._clock = clock
        self._kept: deque[tuple[float, Finish]] = deque(maxlen=MAX_KEPT)

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, finish: Finish) -> None:
        """Keep the money of *finish*: its leases lapse, and its tokens drain, by themselves."""
        self._kept.append((self._clock(), replace(finish, lease=None, token_changes=())))

    async def deliver(self) -> None:
        """Tell those that are kept, the oldest first; what can't be told now stays."""
        for _ in range(min(AT_ONCE, len(self._kept))):
            since, finish = self._kept[0]
            age_ms = int((self._clock() - since) * 1000)
            try:
                await self._meter.finish(replace(finish, age_ms=age_ms))
            except Unavailable:
                return
            if self._kept and self._kept[0][1] is finish:
                self._kept.popleft()
