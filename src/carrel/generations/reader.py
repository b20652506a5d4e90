"""One reader of a generation.

It has a position of its own and no buffer: a slow reader keeps nobody waiting, and
reads later what the log has meanwhile.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from carrel.domain.ids import GenerationId
from carrel.generations.errors import Failed, Unfinished
from carrel.generations.events import START, Item, Offset, Restarted
from carrel.generations.log import Log


class Reader:
    """The events after *position*, as they are written; for one task, which closes it.

    While it is not closed the generation goes on for it. `position` is that of what was
    read last, and `leads` says whether the attempt under way is written by its `start`.
    """

    def __init__(self, log: Log, position: Offset, left: Callable[["Reader"], None]) -> None:
        self.position = position
        self.leads = False
        self._log = log
        self._left = left
        self._closed = False

    @property
    def is_behind(self) -> bool:
        """Whether there is an event that can be read without waiting."""
        log = self._log
        return log.attempt == self.position.attempt and self.position.number < len(log.events)

    async def over(self) -> None:
        """Wait for the generation's end, and read nothing."""
        await self._log.over()

    @property
    def generation_id(self) -> GenerationId:
        return self._log.generation_id

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        """The next event, or `Restarted` if what was read before is void.

        Raises:
            Failed: the generation failed.
            Unfinished: nobody writes it any more.
        """
        while not self._closed:
            log = self._log
            if log.attempt != self.position.attempt and log.attempt:
                begun, self.position = self.position != START, Offset(log.attempt, 0)
                if begun:
                    return Restarted(self.position)
            read = self.position.number
            if read < len(log.events):
                event = log.events[read]
                self.position = event.offset
                return event
            if log.end:
                self.close()
                match log.end.reason:
                    case "done":
                        break
                    case "failed":
                        raise Failed(log.end.payload)
                    case reason:
                        raise Unfinished(reason)
            await log.change()
        raise StopAsyncIteration

    def close(self) -> None:
        """Leave. A generation that nobody reads any more is cut."""
        if not self._closed:
            self._closed = True
            self._left(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
