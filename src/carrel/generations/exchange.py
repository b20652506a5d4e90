"""Carries events between this process's flights and Redis, and says that it lives.

All flights share a round trip, whatever their number: one for what was written here in
some 20 ms, one for what was written elsewhere, and now and then one for signs of life.
Nothing here is waited for by a caller.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Protocol, cast, get_args

from carrel.generations.events import End, EndReason
from carrel.generations.shared_flight import SharedFlight
from carrel.generations.shared_logs import Batch, Entry, SharedLogs, Standing
from carrel.redis.errors import SharedStateDown

AT_ONCE = 100  # flights in one round trip
RETRY_SECONDS = 0.1
PULSES_PER_LEASE = 4

log = logging.getLogger(__name__)


class Desk(Protocol):
    """Who decides what becomes of a flight after what Redis said."""

    def delivered(self, flight: SharedFlight, /) -> None:
        """Redis has all of it, and its end."""
        ...

    def fenced(self, flight: SharedFlight, /) -> None:
        """Another leads, or it has ended."""
        ...

    def forgotten(self, flight: SharedFlight, /) -> None:
        """Redis knows nothing of it."""
        ...

    def pulsed(self, flight: SharedFlight, standing: Standing, /) -> None:
        """How it stands."""
        ...

    def cancelled(self, flight: SharedFlight, /) -> None:
        """It was cut elsewhere, because nobody read it; but somebody does, and can lead."""
        ...

    def cut_off(self) -> None:
        """For as long as a lease, Redis has not answered."""
        ...


class Exchange:
    """The exchange of one process; `run` must be running."""

    def __init__(
        self, logs: SharedLogs, desk: Desk, *, lease_seconds: float, batch_seconds: float
    ) -> None:
        self._logs = logs
        self._desk = desk
        self._lease_seconds = lease_seconds
        self._batch_seconds = batch_seconds
        self._flights: dict[SharedFlight, None] = {}  # in order, unlike a set
        self._unsent: dict[SharedFlight, None] = {}
        self._followed: dict[SharedFlight, None] = {}
        self._wrote = asyncio.Event()
        self._follows = asyncio.Event()
        self._down_since: float | None = None
        self._up_since: float | None = None

    @property
    def flights(self) -> list[SharedFlight]:
        return [*self._flights]

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    @property
    def is_steady(self) -> bool:
        """Redis has answered for a lease: leaders that lived had the time to say so."""
        if self._down_since is not None:
            return False
        return self._up_since is None or self._now() - self._up_since >= self._lease_seconds

    def lead(self, flight: SharedFlight) -> None:
        """Tell Redis what is written here."""
        self._flights[flight] = None
        self._followed.pop(flight, None)
        self.wrote(flight)

    def follow(self, flight: SharedFlight) -> None:
        """Read from Redis what is written elsewhere."""
        self._flights[flight] = None
        self._unsent.pop(flight, None)
        self._followed[flight] = None
        self._follows.set()

    def wrote(self, flight: SharedFlight) -> None:
        self._unsent[flight] = None
        self._wrote.set()

    def forget(self, flight: SharedFlight) -> None:
        for flights in (self._flights, self._unsent, self._followed):
            flights.pop(flight, None)

    async def run(self) -> None:
        """Carry until cancelled."""
        async with asyncio.TaskGroup() as loops:
            for step in (self._send_next, self._receive_next, self._pulse_next):
                loops.create_task(self._repeat(step))

    async def send(self) -> None:
        """Tell Redis what it was not told yet."""
        for flights in _parts(self._unsent):
            batches = [Batch(each, each.writing, each.told, *each.batch()) for each in flights]
            replies = await self._logs.append(batches)
            self._answered()
            for batch, reply in zip(batches, replies, strict=True):
                self._sent(batch, reply)

    async def receive(self) -> None:
        """Read what is new."""
        for flights in _parts(self._followed):
            over = [each for each in flights if each.is_over]
            found = await self._logs.read(flights)
            self._answered()
            for flight, entries in found.items():
                self._received(flight, entries)
            for flight in over:
                if flight.is_over and flight not in found and flight in self._followed:
                    flight.finish(End("lost"))  # nothing comes any more of what should be there

    async def pulse(self) -> None:
        """Say that this process lives, and learn whether leaders elsewhere do."""
        for flights in _parts(self._flights):
            standings = await self._logs.pulse(flights)
            self._answered()
            for flight, standing in zip(flights, standings, strict=True):
                if flight not in self._flights:
                    continue
                if standing is None:
                    self._desk.forgotten(flight)
                else:
                    self._desk.pulsed(flight, standing)

    async def _send_next(self) -> None:
        await self._wrote.wait()
        self._wrote.clear()
        try:
            await self.send()
        finally:
            if self._unsent:
                self._wrote.set()
        await asyncio.sleep(self._batch_seconds)

    async def _receive_next(self) -> None:
        if not self._followed:
            self._follows.clear()
            await self._follows.wait()
        await self.receive()
        await asyncio.sleep(self._batch_seconds)

    async def _pulse_next(self) -> None:
        await asyncio.sleep(self._lease_seconds / PULSES_PER_LEASE)
        await self.pulse()

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except SharedStateDown:
                self._not_answered()
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                log.exception("the exchange of generations failed, and goes on")
                self._not_answered()  # readers must not wait for ever
                await asyncio.sleep(RETRY_SECONDS)

    def _answered(self) -> None:
        if self._down_since is not None:
            self._down_since, self._up_since = None, self._now()

    def _not_answered(self) -> None:
        if self._down_since is None:
            self._down_since = self._now()
        elif self._now() - self._down_since > self._lease_seconds:
            self._desk.cut_off()

    def _sent(self, batch: Batch, reply: int | bytes) -> None:
        flight = batch.flight
        if flight not in self._unsent or flight.writing != batch.attempt:
            return
        if reply == b"gone":
            self._desk.forgotten(flight)
        elif isinstance(reply, bytes):
            self._desk.fenced(flight)
        else:
            flight.told = reply
            if batch.end and reply == batch.told + len(batch.events):
                self._desk.delivered(flight)
            elif reply == len(flight.log.events) and flight.log.end is None:
                del self._unsent[flight]

    def _received(self, flight: SharedFlight, entries: Sequence[Entry]) -> None:
        flight.known = max(flight.known, entries[-1].offset.attempt)
        for entry in entries:
            if flight in self._followed and entry.offset > flight.cursor:
                flight.cursor = entry.offset
                self._read(flight, entry)

    def _read(self, flight: SharedFlight, entry: Entry) -> None:
        attempt, number = entry.offset
        if attempt < flight.known:
            return  # void: another attempt was made
        word, values = entry.fields[0], entry.fields[1::2]
        before = number - (len(values) if word == b"event" else 1)
        if word == b"begin":
            flight.log.begin(attempt)
        elif attempt != flight.log.attempt or before != len(flight.log.events):
            flight.finish(End("lost"))  # Redis has lost a part of it
        elif word == b"event":
            flight.log.extend(values)
        else:
            end = _end(*values)
            if end.reason == "cancelled" and flight.can_lead:
                self._desk.cancelled(flight)
            else:
                flight.finish(end)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _end(reason: bytes, payload: bytes) -> End:
    word = reason.decode()
    return End(cast(EndReason, word) if word in get_args(EndReason) else "lost", payload)


def _parts(flights: dict[SharedFlight, None]) -> Iterator[list[SharedFlight]]:
    every = [*flights]
    return (every[i : i + AT_ONCE] for i in range(0, len(every), AT_ONCE))
