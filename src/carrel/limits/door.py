"""The door: how many answers this process writes at once, and whose.

Who finds no place is refused at once, with nothing done for it. No tenant fills the house:
what one may hold is a multiple of what is still free, which shrinks as the house fills, or
an equal share with the other tenants inside and one that may come. (The first is the dynamic
threshold of Choudhury and Hahne, IEEE/ACM Transactions on Networking 6, 1998.)
"""

import random
import time
from collections import Counter
from types import TracebackType
from typing import Literal, Self

from carrel.domain.errors import Unavailable
from carrel.domain.ids import TenantId
from carrel.limits.adaptive import AdaptiveLimit
from carrel.telemetry import metrics

LONGEST_RETRY_AFTER_SECONDS = 3
_SAID = {
    "full": "the server is writing as many answers as it can: try again in {} s",
    "share": "the server is busy, and this tenant has its share of it: try again in {} s",
}


class Door:
    """At most *most* at once, and so many without a first token as *adaptive* allows.

    *share*: how many places a tenant may have for each that is free.

    A tenant that holds less than an equal share is let in as long as *most* is not reached.
    """

    def __init__(self, most: int, *, share: float, adaptive: AdaptiveLimit | None = None) -> None:
        self._most = most
        self._share = share
        self._adaptive = adaptive
        self._held: Counter[TenantId] = Counter()
        self._inside = 0
        self._waiting: dict[Slot, float] = {}
        metrics.answer_limit.set(most)

    @property
    def limit(self) -> int:
        """How many may be inside now."""
        if self._adaptive is None:
            return self._most
        writing = self._inside - len(self._waiting)
        return min(self._most, writing + self._adaptive.limit)

    def check(self, tenant_id: TenantId) -> None:
        """See that there is a place for *tenant_id*.

        Raises:
            Unavailable: there is none.
        """
        if self._adaptive:
            self._adaptive.update(self._waiting.values())
            metrics.answer_limit.set(self.limit)
        if why := self._obstacle(tenant_id):
            metrics.overload_refusals.labels(why).inc()
            # Not all at the same time again.
            seconds = random.randint(1, LONGEST_RETRY_AFTER_SECONDS)  # noqa: S311
            raise Unavailable(_SAID[why].format(seconds), retry_after_seconds=seconds)

    def slot(self, tenant_id: TenantId) -> "Slot":
        """A place for one answer of *tenant_id*, not yet taken."""
        return Slot(self, tenant_id)

    def enter(self, slot: "Slot") -> None:
        self.check(slot.tenant_id)
        self._held[slot.tenant_id] += 1
        self._waiting[slot] = time.monotonic()
        self._count(+1)

    def began(self, slot: "Slot") -> None:
        started = self._waiting.pop(slot, None)
        if started is not None and self._adaptive:
            self._adaptive.sample(time.monotonic() - started)

    def leave(self, slot: "Slot") -> None:
        self._waiting.pop(slot, None)
        self._held[slot.tenant_id] -= 1
        if not self._held[slot.tenant_id]:
            del self._held[slot.tenant_id]
        self._count(-1)

    def _obstacle(self, tenant_id: TenantId) -> Literal["full", "share"] | None:
        if self._inside >= self._most:
            return "full"
        held = self._held.get(tenant_id, 0)
        tenants = len(self._held) + (not held)
        if held < self.limit / (tenants + 1):
            return None
        free = self.limit - self._inside
        if free <= 0:
            return "full"
        return None if held < self._share * free else "share"

    def _count(self, change: int) -> None:
        self._inside += change
        metrics.answers_under_way.set(self._inside)


class Slot:
    """A place inside, for as long as the block lasts, once it is taken."""

    __slots__ = ("_door", "_taken", "tenant_id")

    def __init__(self, door: Door, tenant_id: TenantId) -> None:
        self.tenant_id = tenant_id
        self._door = door
        self._taken = False

    def take(self) -> None:
        """Take it, unless it is taken.

        Raises:
            Unavailable: there is no place.
        """
        if not self._taken:
            self._door.enter(self)
            self._taken = True

    def began(self) -> None:
        """The first token has come."""
        self._door.began(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._taken:
            self._taken = False
            self._door.leave(self)
