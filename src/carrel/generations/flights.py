"""The flights of one process that replicas share: which there are, and who leads each.

In each process a generation has one flight, however many read it there. A flight is led
here, or it follows; it changes sides only by what Redis says, or because Redis has said
nothing for a lease.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from carrel.domain.ids import GenerationId, TenantId
from carrel.generations.events import End
from carrel.generations.exchange import Exchange
from carrel.generations.flight import Flight
from carrel.generations.kept import KeptLogs
from carrel.generations.shared_flight import SharedFlight
from carrel.generations.shared_logs import SharedLogs, Standing
from carrel.redis.errors import SharedStateDown
from carrel.telemetry import metrics

Step = Callable[[SharedFlight], Coroutine[Any, Any, None]]


class Flights:
    """The flights, by key and by id, and their exchange with Redis; `exchange.run` must be running.

    *kept*: for logs that Redis does not have whole.
    """

    def __init__(
        self, logs: SharedLogs, kept: KeptLogs, *, lease_seconds: float, batch_seconds: float
    ) -> None:
        self._logs = logs
        self._kept = kept
        self.exchange = Exchange(
            logs, self, lease_seconds=lease_seconds, batch_seconds=batch_seconds
        )
        self.by_key: dict[tuple[TenantId, str], SharedFlight] = {}
        self.by_id: dict[tuple[TenantId, GenerationId], SharedFlight] = {}
        self._leaders: set[asyncio.Task[None]] = set()
        self._asking: set[asyncio.Task[None]] = set()

    def settle(self, flight: SharedFlight, step: Step) -> None:
        """Find out by *step* who leads; callers who come meanwhile wait for `flight.settling`."""
        if flight.settling is None:
            flight.settling = self._ask(self._settled(flight, step))

    async def lead(self, flight: SharedFlight, attempt: int) -> None:
        """Lead *attempt*, which is this flight's by Redis's word, or by none."""
        self.by_id.setdefault((flight.tenant_id, flight.log.generation_id), flight)
        if flight.log.end:  # this process is closing
            await self._logs.release([flight], [attempt])
        elif not flight.shared:
            flight.lead(attempt)
        elif flight.lead_shared(attempt):
            self.exchange.lead(flight)
        else:  # whoever could have led has left
            await self._logs.release([flight], [attempt])

    async def follow(self, flight: SharedFlight, standing: Standing) -> None:
        """Follow whoever leads, or lead if nobody does."""
        self.by_id.setdefault((flight.tenant_id, flight.log.generation_id), flight)
        flight.known = standing.attempt
        self.exchange.follow(flight)
        if step := self._reaction(flight, standing):
            await step(flight)

    def drop(self, flight: SharedFlight) -> None:
        """Have nothing to do with it any more; its readers may read what there is."""
        flight.abandon()
        self.exchange.forget(flight)
        self._free_key(flight)
        name = (flight.tenant_id, flight.log.generation_id)
        if self.by_id.get(name) is flight:
            del self.by_id[name]

    async def close(self) -> None:
        """Let others lead what was led here, and wait for what is ending."""
        with contextlib.suppress(SharedStateDown):
            while self.exchange.has_unsent:
                await self.exchange.send()
        shared = self.exchange.flights
        attempts = [flight.leading for flight in shared]
        for flight in {*shared, *self.by_key.values(), *self.by_id.values()}:
            flight.stand_alone()
            flight.cut("closing")
        if shared:
            with contextlib.suppress(SharedStateDown):
                await self._logs.release(shared, attempts)
        while ending := {*self._leaders, *self._asking}:
            await asyncio.wait(ending)

    def led(self, flight: Flight, leader: asyncio.Task[None], /) -> None:
        """Wait for it when closing."""
        self._leaders.add(leader)
        leader.add_done_callback(self._leaders.discard)

    def wrote(self, flight: Flight, /) -> None:
        """Tell Redis."""
        assert isinstance(flight, SharedFlight)
        if flight.writing:
            self.exchange.wrote(flight)

    def ended(self, flight: Flight, /) -> None:
        """Free the key, and see that the log can be read for a while."""
        assert isinstance(flight, SharedFlight)
        self._free_key(flight)
        if flight.writing:
            self.exchange.wrote(flight)
            return
        self.drop(flight)
        if not flight.shared:
            self._kept.keep(flight.tenant_id, flight.key, flight.log)

    def emptied(self, flight: Flight, /) -> None:
        """Leave; cut it, if it is led here, and nobody reads it elsewhere."""
        assert isinstance(flight, SharedFlight)
        if flight.settling:
            flight.left_meanwhile = True
        elif flight.leading and flight.shared:
            self.settle(flight, self._leave)
        elif flight.leading:
            metrics.generations_cancelled.inc()
            flight.cut("cancelled")
        else:
            self.drop(flight)
            if flight.known:
                self._ask(self._depart(flight))

    def delivered(self, flight: SharedFlight, /) -> None:
        """Redis keeps it from now on."""
        self.drop(flight)

    def fenced(self, flight: SharedFlight, /) -> None:
        """Follow whoever leads now; the leader here is told when it writes."""
        if flight.settling:
            return  # which will tell why
        if flight.log.end or not flight.has_readers:
            self.drop(flight)
        else:
            flight.give_way()
            self.exchange.follow(flight)

    def forgotten(self, flight: SharedFlight, /) -> None:
        """Go on alone, if it is led here; else begin again."""
        self._react(flight, self._without_redis(flight))

    def pulsed(self, flight: SharedFlight, standing: Standing, /) -> None:
        self._react(flight, self._reaction(flight, standing))

    def cancelled(self, flight: SharedFlight, /) -> None:
        """Begin again: it was cut for want of readers, which it has."""
        self.settle(flight, self._take)

    def cut_off(self) -> None:
        """Go on without Redis."""
        for flight in self.exchange.flights:
            if flight.log.end:
                self._without_redis(flight)
            elif flight.leading:
                if not flight.has_readers:
                    self._without_redis(flight)
            elif not flight.settling:
                self.exchange.forget(flight)
                if flight.lead_alone():
                    metrics.generation_takeovers.inc()
                else:
                    flight.finish(End("lost"))

    def _reaction(self, flight: SharedFlight, standing: Standing) -> Step | None:
        """What is to be done about a flight that stands so."""
        flight.known = max(flight.known, standing.attempt)
        if flight.log.end:
            return None
        if flight.leading:
            if standing.attempt == flight.leading and standing.end == "cancelled":
                return self._cut(flight)
            if standing.end or standing.attempt > flight.leading:
                self.fenced(flight)
            return None
        flight.is_over = bool(standing.end)
        if standing.end:
            return self._take if standing.end == "cancelled" and flight.can_lead else None
        return self._take if standing.lapses_in_ms <= 0 and self.exchange.is_steady else None

    def _cut(self, flight: SharedFlight) -> Step | None:
        """Cancel the leader here: Redis has ended its attempt, because nobody read."""
        metrics.generations_cancelled.inc()
        flight.abandon()
        flight.give_way()
        if flight.can_lead:  # a reader came back in that moment
            self.exchange.follow(flight)
            return self._take
        flight.finish(End("cancelled"))
        return None

    def _without_redis(self, flight: SharedFlight) -> Step | None:
        if not (flight.leading or flight.log.end):
            return self._take
        flight.stand_alone()
        self.exchange.forget(flight)
        if flight.log.end:
            self.ended(flight)
        elif not flight.has_readers:
            self.emptied(flight)
        return None

    async def _take(self, flight: SharedFlight) -> None:
        """Begin again, if nobody else does."""
        flight.is_over = False
        with contextlib.suppress(SharedStateDown):
            taken = await self._logs.take(flight)
            if taken is None:
                flight.finish(End("lost"))
            elif taken.leads:
                metrics.generation_takeovers.inc()
                await self.lead(flight, taken.attempt)
            else:
                flight.known = max(flight.known, taken.attempt)

    async def _leave(self, flight: SharedFlight) -> None:
        with contextlib.suppress(SharedStateDown):
            (standing,) = await self._logs.pulse([flight])
            answer = self._reaction(flight, standing) if standing else self._without_redis(flight)
            if answer:
                await answer(flight)

    async def _depart(self, flight: SharedFlight) -> None:
        with contextlib.suppress(SharedStateDown):  # then it lapses
            await self._logs.pulse([flight])

    async def _settled(self, flight: SharedFlight, step: Step) -> None:
        try:
            await step(flight)
        finally:
            flight.settling = None
            left, flight.left_meanwhile = flight.left_meanwhile, False
            if left and not flight.has_readers and flight.log.end is None:
                self.emptied(flight)

    def _react(self, flight: SharedFlight, step: Step | None) -> None:
        if step:
            self.settle(flight, step)

    def _ask(self, asking: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(asking)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        # Callers who wait for it get its error; there may be none any more.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    def _free_key(self, flight: SharedFlight) -> None:
        if flight.key is not None and self.by_key.get((flight.tenant_id, flight.key)) is flight:
            del self.by_key[flight.tenant_id, flight.key]
