"""How many replicas there are, and whether Redis still remembers what they told it.

Each replica says every `BEAT_SECONDS` that it lives. What was last learnt is kept,
so that it is at hand when Redis is gone. Redis's memory bears a mark: another mark
means that Redis was emptied, or restarted, and when.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from carrel.redis.client import RedisClient
from carrel.redis.errors import SharedStateDown
from carrel.redis.script import read_script

BEAT_SECONDS = 2.0
MARK_SECONDS = 86_400
_LIVING, _MARK = "carrel:{replicas}:living", "carrel:{replicas}:mark"
_PLACES = "carrel:{replicas}:places"
_BEAT = read_script("carrel.redis", "beat")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Memory:
    """The mark of Redis's memory, and for how long Redis has borne it."""

    mark: str
    age_seconds: float


class Replicas:
    """One replica among the others; `run` must be running.

    *on_new_memory* is called when Redis turns out to have lost, or changed, its memory.
    *name* (none is like another) and *place* are told to the others; *at_least* so many
    replicas there are, whatever is known.
    """

    def __init__(
        self,
        client: RedisClient,
        *,
        beat_seconds: float = BEAT_SECONDS,
        name: bytes = b"",
        place: bytes = b"",
        at_least: int = 1,
    ) -> None:
        self._client = client
        self._beat_seconds = beat_seconds
        self._name = name or secrets.token_hex(8).encode()
        self._mark = ""
        self._listeners: list[Callable[[], object]] = []
        self._place = place
        self._at_least = at_least
        self._count = at_least

    def on_new_memory(self, listener: Callable[[], object]) -> None:
        self._listeners.append(listener)

    @property
    def count(self) -> int:
        """The replicas alive when Redis last said."""
        return self._count

    @property
    def mark(self) -> str:
        """The mark of Redis's memory when it last answered; empty before."""
        return self._mark

    async def beat(self) -> Memory:
        """Say that this replica lives. Raises `SharedStateDown`."""
        lifetime = int(self._beat_seconds * 3000)
        count, raw, age = await self._client.run(
            _BEAT,
            [_LIVING, _MARK, _PLACES],
            [self._name, lifetime, MARK_SECONDS * 1000, self._place],
        )
        self._count = max(self._at_least, count)
        mark = bytes(raw).decode()
        if mark != self._mark:
            if self._mark:
                log.warning("Redis has lost its memory, or was restarted")
            self._mark = mark
            for listener in self._listeners:
                listener()
        return Memory(mark, age / 1000)

    async def living(self) -> list[bytes]:
        """The names of those alive; one that was killed counts for three beats.

        Raises:
            SharedStateDown: Redis does not answer.
        """
        return await self._client.call("ZRANGE", _LIVING, 0, -1)

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            with contextlib.suppress(SharedStateDown):
                await self.beat()
            await asyncio.sleep(self._beat_seconds)

    async def leave(self) -> None:
        """Stop counting as alive, at once rather than by silence."""
        with contextlib.suppress(SharedStateDown):
            await self._client.call("ZREM", _LIVING, self._name)
            # Others of the same place say so again with their next beat.
            await self._client.call("ZREM", _PLACES, self._place)


async def living_places(client: RedisClient) -> list[bytes]:
    """What living replicas told as their place; one that was killed counts for three beats.

    Raises:
        SharedStateDown: Redis does not answer.
    """
    return await client.call("ZRANGE", _PLACES, 0, -1)
