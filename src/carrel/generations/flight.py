"""A generation under way in this process: its log, its readers, and its leader if that is here.

A leader writes as long as it leads, and not one event after.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Protocol

from carrel.domain.ids import GenerationId, TenantId
from carrel.generations.errors import Failed, Fenced
from carrel.generations.events import START, End, EndReason, Offset
from carrel.generations.log import Log
from carrel.generations.reader import Reader

log = logging.getLogger(__name__)


class Writer:
    """What a leader's `start` writes to."""

    def __init__(self, flight: "Flight", attempt: int) -> None:
        self._flight = flight
        self._attempt = attempt

    @property
    def generation_id(self) -> GenerationId:
        return self._flight.log.generation_id

    async def write(self, data: bytes) -> Offset:
        """Add an event: readers in this process have it at once, and nobody is waited for.

        Raises:
            Fenced: this attempt is over; there is no use in going on.
            LogFull: the generation is too long.
        """
        return self._flight.write(self._attempt, data)


Start = Callable[[Writer], Awaitable[None]]


class Owner(Protocol):
    """Who is told what becomes of a flight."""

    def led(self, flight: "Flight", leader: asyncio.Task[None], /) -> None:
        """A leader began here."""
        ...

    def wrote(self, flight: "Flight", /) -> None:
        """The leader here wrote."""
        ...

    def ended(self, flight: "Flight", /) -> None: ...

    def emptied(self, flight: "Flight", /) -> None:
        """The last reader here left before the end."""
        ...


@dataclass(frozen=True, slots=True)
class _Ticket:
    """What a reader leads with, if it comes to that; and where its logs and traces belong."""

    start: Start
    context: Context


class Flight:
    """A generation that *tenant_id* asked for by *key*; without, it is only followed.

    `leading` is the attempt that is led here, or 0.
    """

    def __init__(self, owner: Owner, tenant_id: TenantId, key: str | None, log: Log) -> None:
        self.tenant_id = tenant_id
        self.key = key
        self.log = log
        self.leading = 0
        self._owner = owner
        self._readers: dict[Reader, _Ticket | None] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def has_readers(self) -> bool:
        return bool(self._readers)

    @property
    def can_lead(self) -> bool:
        return any(self._readers.values())

    def attach(self, start: Start | None, position: Offset = START) -> Reader:
        """A reader of what comes after *position*, who leads with *start* if need be."""
        reader = Reader(self.log, position, self._left)
        self._readers[reader] = _Ticket(start, copy_context()) if start else None
        return reader

    def lead(self, attempt: int) -> bool:
        """Begin *attempt* with the first reader that can; False: there is none."""
        able = ((reader, ticket) for reader, ticket in self._readers.items() if ticket)
        first = next(able, None)
        if first is None:
            return False
        self._cancel()  # of an attempt before this one
        leader, ticket = first
        for reader in self._readers:
            reader.leads = reader is leader
        self.log.begin(attempt)
        self.leading = attempt
        writing = self._write_all(attempt, ticket.start)
        self._task = asyncio.create_task(writing, context=ticket.context)
        self._owner.led(self, self._task)
        return True

    def write(self, attempt: int, data: bytes) -> Offset:
        if attempt != self.leading:
            raise Fenced
        offset = self.log.append(data)
        self._owner.wrote(self)
        return offset

    def finish(self, end: End) -> None:
        """End it here, whoever led."""
        if self.log.end is None:
            self.leading = 0
            self.log.finish(end)
            self._owner.ended(self)

    def cut(self, reason: EndReason) -> None:
        """End it before its time, and cancel what writes it here."""
        self.abandon()
        self.finish(End(reason))

    def abandon(self) -> None:
        """Lead no more, and cancel what writes; the generation itself may go on."""
        self._cancel()
        self.fence()

    def fence(self) -> None:
        """Let the leader write no more: it is told so when it tries, or cancelled in the end."""
        self.leading = 0
        for reader in self._readers:
            reader.leads = False

    async def _write_all(self, attempt: int, start: Start) -> None:
        end = End("lost")  # of what ends the whole process
        try:
            await start(Writer(self, attempt))
            end = End("done")
        except Failed as failure:
            end = End("failed", failure.payload)
        except asyncio.CancelledError:
            if attempt == self.leading:  # nobody cut it: its own doing
                end = End("failed")
            raise
        except Exception as error:
            end = End("failed")
            if not (isinstance(error, Fenced) and attempt != self.leading):
                log.exception("a generation failed")
        finally:
            if attempt == self.leading:
                self._task = None
                self.finish(end)

    def _cancel(self) -> None:
        if self._task:
            self._task.cancel()
            self._task = None

    def _left(self, reader: Reader) -> None:
        self._readers.pop(reader, None)
        if not self._readers and self.log.end is None:
            self._owner.emptied(self)
