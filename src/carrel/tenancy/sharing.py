"""Several who want the same thing at the same time share one effort.

Without it, a popular key whose memory ends would be looked up by every request under way.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


class Sharing(Generic[_K, _V]):
    """Efforts under way, by key."""

    def __init__(self) -> None:
        self._efforts: dict[_K, asyncio.Task[_V]] = {}

    async def run(self, key: _K, make: Callable[[], Coroutine[Any, Any, _V]]) -> _V:
        """What *make* gives, or the one that was begun before for the same *key*.

        Whoever leaves, by being cancelled, leaves the effort to the others.
        """
        effort = self._efforts.get(key)
        if effort is None:
            effort = self._efforts[key] = asyncio.create_task(make())
            effort.add_done_callback(lambda done: self._end(key, done))
        return await asyncio.shield(effort)

    def is_running(self, key: _K) -> bool:
        return key in self._efforts

    async def close(self) -> None:
        """End what is under way."""
        efforts = list(self._efforts.values())
        for effort in efforts:
            effort.cancel()
        await asyncio.gather(*efforts, return_exceptions=True)

    def _end(self, key: _K, effort: asyncio.Task[_V]) -> None:
        del self._efforts[key]
        if not effort.cancelled():
            effort.exception()  # taken note of, in case that everyone has left
