"""A flight that crosses replicas: what Redis knows of it, and what it is still to be told."""

import asyncio
import hashlib
import secrets

from carrel.domain.ids import TenantId
from carrel.generations.events import START, End, Offset
from carrel.generations.flight import Flight, Owner
from carrel.generations.log import Log

BATCH_EVENTS = 500  # Lua can pass on some thousands of arguments
BATCH_BYTES = 256 * 1024
_AFTER_ALL = 2**62


class SharedFlight(Flight):
    """A flight, and how it stands with Redis.

    `name` is this process's, as a reader. `shared`: others may read it; else it is this
    process's alone. `writing` is the attempt that Redis is still to be told of, or 0;
    `told` is how many of its events Redis has. `known` is the newest attempt that Redis
    spoke of; `cursor` is what was read of Redis's log; `is_over`: Redis said that nothing
    will be added to it. `settling`: who leads is being found out;
    `left_meanwhile`: the last reader left while it was.
    """

    def __init__(self, owner: Owner, tenant_id: TenantId, key: str | None, log: Log) -> None:
        super().__init__(owner, tenant_id, key, log)
        self.name = secrets.token_hex(8)
        self.digest = hashlib.sha256(key.encode()).hexdigest() if key is not None else ""
        self.shared = True
        self.writing = 0
        self.told = 0
        self.known = 0
        self.cursor = START
        self.is_over = False
        self.settling: asyncio.Task[None] | None = None
        self.left_meanwhile = False

    @property
    def newest(self) -> int:
        """The newest attempt that anyone here has heard of."""
        return max(self.known, self.log.attempt)

    def lead_shared(self, attempt: int) -> bool:
        """`lead` an attempt that Redis knows of."""
        if not self.lead(attempt):
            return False
        self.writing, self.told = attempt, 0
        return True

    def lead_alone(self) -> bool:
        """`lead` an attempt that no other process will know of."""
        self.stand_alone()
        # No number that another process gives to an attempt of its own, should their readers meet.
        return self.lead(self.newest + 1 + secrets.randbits(40))

    def stand_alone(self) -> None:
        self.shared = False
        self.writing = 0

    def give_way(self) -> None:
        """Follow whoever leads now."""
        self.cursor = Offset(self.writing, _AFTER_ALL)
        self.writing = 0
        self.fence()

    def batch(self) -> tuple[list[bytes], End | None]:
        """The next events that Redis is to be told of, and the end if they are the last."""
        events, size = self.log.events, 0
        upto = self.told
        while upto < len(events) and upto - self.told < BATCH_EVENTS and size < BATCH_BYTES:
            size += len(events[upto].data)
            upto += 1
        end = self.log.end if upto == len(events) else None
        return [event.data for event in events[self.told : upto]], end
