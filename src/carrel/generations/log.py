"""The log of one generation, as far as this process knows it.

It holds the newest attempt only, whole and from its first event: so it serves readers
from any offset, and none of them waits for another.
"""

import asyncio
from collections.abc import Iterable

from carrel.domain.ids import GenerationId
from carrel.generations.errors import LogFull
from carrel.generations.events import End, Event, Offset

EVENT_BYTES = 200  # what an event weighs beside its data


class Log:
    """A log without events, of no attempt yet. *max_bytes* bounds what `append` takes.

    `about` is what the generation could be begun again by: up to those who ask for it.
    """

    def __init__(self, generation_id: GenerationId, max_bytes: int, about: bytes = b"") -> None:
        self.generation_id = generation_id
        self.about = about
        self.attempt = 0
        self.events: list[Event] = []
        self.end: End | None = None
        self.size = 0
        self._max_bytes = max_bytes
        self._waiting: list[asyncio.Future[None]] = []
        self._over = asyncio.Event()

    def begin(self, attempt: int) -> None:
        """Forget what was written: another attempt begins."""
        self.attempt = attempt
        self.events = []
        self.end = None
        self.size = 0
        self._over.clear()
        self._wake()

    def append(self, data: bytes) -> Offset:
        """Add an event. Raises `LogFull`."""
        if self.size + len(data) + EVENT_BYTES > self._max_bytes:
            raise LogFull(self._max_bytes)
        self._add(data)
        self._wake()
        return self.events[-1].offset

    def extend(self, batch: Iterable[bytes]) -> None:
        """Add events that another process took already."""
        for data in batch:
            self._add(data)
        self._wake()

    def finish(self, end: End) -> None:
        if self.end is None:
            self.end = end
            self._over.set()
            self._wake()

    async def over(self) -> None:
        """Wait until it has ended."""
        await self._over.wait()

    async def change(self) -> None:
        """Wait until there is something new."""
        changed = asyncio.get_running_loop().create_future()
        self._waiting.append(changed)
        try:
            await changed
        except asyncio.CancelledError:
            if changed in self._waiting:
                self._waiting.remove(changed)
            raise

    def _add(self, data: bytes) -> None:
        self.size += len(data) + EVENT_BYTES
        self.events.append(Event(Offset(self.attempt, len(self.events) + 1), data))

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for changed in waiting:
            if not changed.done():  # whoever waited may have left
                changed.set_result(None)
