"""The last requests that failed by no fault of theirs, for who looks after the server.

Of all replicas where there is a Redis, else of this process. What is kept is what a request's log
line says: ids, never content. Nothing here is waited for by a caller, and nothing is sure to be
kept: the log is.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from carrel.redis.errors import SharedStateDown

if TYPE_CHECKING:  # what takes long to import, only its users should pay for
    from carrel.redis.client import RedisClient

KEPT = 200
KEPT_SECONDS = 86_400
TELL_SECONDS = 1.0
_KEY = "carrel:failures"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class RecentFailures:
    """The last `KEPT` of them; `run` must be running where there is a *client*."""

    def __init__(self, client: "RedisClient | None" = None) -> None:
        self._client = client
        self._here: deque[Mapping[str, Any]] = deque(maxlen=KEPT)
        self._untold: deque[Mapping[str, Any]] = deque(maxlen=KEPT)

    def note(self, failure: Mapping[str, Any]) -> None:
        """Take in a failure; of more than can be told, the newest."""
        self._here.appendleft(failure)
        if self._client is not None:
            self._untold.append(failure)

    async def newest(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """Newest first; of this process alone while Redis does not answer."""
        if self._client is not None:
            with contextlib.suppress(SharedStateDown):
                await self.tell()
                kept = await self._client.call("LRANGE", _KEY, 0, limit - 1)
                return [_decode(each) for each in kept]
        return [*self._here][:limit]

    async def run(self) -> None:
        """Tell Redis what failed, until cancelled."""
        while True:
            await asyncio.sleep(TELL_SECONDS)
            with contextlib.suppress(SharedStateDown):
                await self.tell()

    async def tell(self) -> None:
        """Tell Redis what it was not told yet. Raises `SharedStateDown`, and may lose it then."""
        if self._client is None or not self._untold:
            return
        untold = [_encode(each) for each in self._untold]
        self._untold.clear()
        await self._client.call_all(
            [
                ("LPUSH", _KEY, *untold),
                ("LTRIM", _KEY, 0, KEPT - 1),
                ("EXPIRE", _KEY, KEPT_SECONDS),
            ]
        )
