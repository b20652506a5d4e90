"""Which API processes there are, for who looks after the servers.

Each tells the others of itself by the name that it goes by among the replicas. Without a Redis
there is one process to know of: this one.
"""

import os
import secrets
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from carrel import __version__
from carrel.redis.errors import SharedStateDown

if TYPE_CHECKING:  # what takes long to import, only its users should pay for
    from carrel.redis.replicas import Replicas


class Replica(msgspec.Struct, frozen=True):
    """An API process; of one that tells nothing of itself, its name alone is known."""

    id: str
    host: str | None = None
    pid: int | None = None
    version: str | None = None
    started_at: datetime | None = None

    def encoded(self) -> bytes:
        return msgspec.json.encode(self)


def this_process() -> Replica:
    """What there is to tell of this process, which starts now."""
    now = datetime.now(UTC).replace(microsecond=0)
    return Replica(secrets.token_hex(8), socket.gethostname(), os.getpid(), __version__, now)


class Roster:
    """The living processes, of which this one is *here*."""

    def __init__(self, here: Replica, replicas: "Replicas | None" = None) -> None:
        self.here = here
        self._replicas = replicas

    async def living(self) -> Sequence[Replica]:
        """All of them, by host; this one alone while Redis does not answer."""
        found = [self.here]
        if self._replicas is not None:
            try:
                names = await self._replicas.living()
            except SharedStateDown:
                return found
            found += [each for each in map(_told, names) if each.id != self.here.id]
        return sorted(found, key=lambda each: (each.host or "", each.pid or 0, each.id))


def _told(name: bytes) -> Replica:
    try:
        return msgspec.json.decode(name, type=Replica)
    except msgspec.DecodeError:  # of a version that says less, or more
        return Replica(name.decode(errors="replace")[:64])
