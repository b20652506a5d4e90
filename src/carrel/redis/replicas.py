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
    """

    def __init__(self, client: RedisClient, *, beat_seconds: float = BEAT_SECONDS) -> None:
        self._client = client
        self._beat_seconds = beat_seconds
        self._name = secrets.token_hex(8)
        self._mark = ""
        self._listeners: list[Callable[[], object]] = []
        self._count = 1

    def on_new_memory(self, listener: Callable[[], object]) -> None:
        self._listeners.append(listener)

    @property
    def count(self) -> int:
        """The replicas alive when Redis last said; at least 1."""
        return self._count

    @property
    def mark(self) -> str:
        """The mark of Redis's memory when it last answered; empty before."""
        return self._mark

    async def beat(self) -> Memory:
        """Say that this replica lives. Raises `SharedStateDown`."""
        lifetime = int(self._beat_seconds * 3000)
        count, raw, age = await self._client.run(
            _BEAT, [_LIVING, _MARK], [self._name, lifetime, MARK_SECONDS * 1000]
        )
        self._count = max(1, count)
        mark = bytes(raw).decode()
        if mark != self._mark:
            if self._mark:
                log.warning("Redis has lost its memory, or was restarted")
            self._mark = mark
            for listener in self._listeners:
                listener()
        return Memory(mark, age / 1000)

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
