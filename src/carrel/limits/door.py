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

Why = Literal["full", "share"]
_SAID = {
    "full": "the server is writing as many answers as it can: try again in {} s",
    "share": "the server is busy, and this tenant has its share of it: try again in {} s",
}


class _Room:
    """Places of one kind, counted by tenant; *share*: how many one may have for each free one."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._held: Counter[TenantId] = Counter()
        self.total = 0

    def take(self, tenant_id: TenantId) -> None:
        self._held[tenant_id] += 1
        self.total += 1

    def leave(self, tenant_id: TenantId) -> None:
        self._held[tenant_id] -= 1
        if not self._held[tenant_id]:
            del self._held[tenant_id]
        self.total -= 1

    def obstacle(self, tenant_id: TenantId, limit: int) -> Why | None:
        """What keeps *tenant_id* from one more of *limit* places."""
        held = self._held.get(tenant_id, 0)
        tenants = len(self._held) + (not held)
        if held < limit / (tenants + 1):
            return None
        free = limit - self.total
        if free <= 0:
            return "full"
        return None if held < self._share * free else "share"


class Door:
    """At most *most* at once, and so many without a first token as *adaptive* allows.

    *share*: how many places a tenant may have for each that is free. A tenant that has less
    than an equal share is let in as long as *most* is not reached.
    """

    def __init__(self, most: int, *, share: float, adaptive: AdaptiveLimit | None = None) -> None:
        self._most = most
        self._adaptive = adaptive
        self._inside = _Room(share)
        self._waiting = _Room(share)
        self._since: dict[Slot, float] = {}
        metrics.answer_limit.set(most)

    def check(self, tenant_id: TenantId) -> None:
        """See that there is a place for *tenant_id*.

        Raises:
            Unavailable: there is none.
        """
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
        self._inside.take(slot.tenant_id)
        self._waiting.take(slot.tenant_id)
        self._since[slot] = time.monotonic()
        metrics.answers_under_way.set(self._inside.total)

    def began(self, slot: "Slot") -> None:
        if (since := self._no_longer_waits(slot)) and self._adaptive:
            self._adaptive.sample(time.monotonic() - since)

    def leave(self, slot: "Slot") -> None:
        self._no_longer_waits(slot)
        self._inside.leave(slot.tenant_id)
        metrics.answers_under_way.set(self._inside.total)

    def _obstacle(self, tenant_id: TenantId) -> Why | None:
        if self._inside.total >= self._most:
            return "full"
        why = self._inside.obstacle(tenant_id, self._most)
        if self._adaptive is None:
            return why
        self._adaptive.update(self._since.values())
        waiting = self._adaptive.limit
        writing = self._inside.total - self._waiting.total
        metrics.answer_limit.set(min(self._most, writing + waiting))
        return why or self._waiting.obstacle(tenant_id, waiting)

    def _no_longer_waits(self, slot: "Slot") -> float | None:
        since = self._since.pop(slot, None)
        if since is not None:
            self._waiting.leave(slot.tenant_id)
        return since


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
