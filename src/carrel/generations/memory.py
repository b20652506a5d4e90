"""Generations of one process."""

import asyncio
import time
from collections.abc import Callable

from carrel.domain.errors import NotFound
from carrel.domain.ids import GenerationId, TenantId, new_id
from carrel.generations.events import START, Offset
from carrel.generations.flight import Flight, Start
from carrel.generations.generations import KEPT_SECONDS, MAX_BYTES
from carrel.generations.kept import KeptLogs
from carrel.generations.log import Log
from carrel.generations.reader import Reader
from carrel.telemetry import metrics

KEPT_BYTES = 64 * 1024 * 1024


class MemoryGenerations:
    """`Generations` of this process alone.

    A generation holds at most *max_bytes*. Those that ended are kept for *kept_seconds*, and
    for no longer than all of them together take *kept_bytes*.
    """

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        kept_bytes: int = KEPT_BYTES,
        kept_seconds: float = KEPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._by_key: dict[tuple[TenantId, str], Flight] = {}
        self._by_id: dict[tuple[TenantId, GenerationId], Flight] = {}
        self._kept = KeptLogs(kept_bytes, kept_seconds, clock)
        self._leaders: set[asyncio.Task[None]] = set()

    async def join(self, tenant_id: TenantId, key: str, start: Start, about: bytes = b"") -> Reader:
        flight = self._by_key.get((tenant_id, key))
        if flight:
            metrics.generation_readers.labels("follower").inc()
            return flight.attach(start)
        log = Log(GenerationId(new_id("gen")), self._max_bytes, about)
        return self._lead(tenant_id, key, log, start)

    async def follow(
        self,
        tenant_id: TenantId,
        generation_id: GenerationId,
        after: Offset = START,
        start: Start | None = None,
    ) -> Reader:
        flight = self._by_id.get((tenant_id, generation_id))
        if flight:
            metrics.generation_readers.labels("follower").inc()
            return flight.attach(start, after)
        log = self._kept.get(tenant_id, generation_id)
        if log is None:
            raise NotFound("there is no such generation, or no longer")
        if start and log.end and log.end.reason == "cancelled":
            key, log = self._kept.take(tenant_id, generation_id)
            return self._lead(tenant_id, key, log, start, after)
        metrics.generation_readers.labels("follower").inc()
        return Reader(log, after, lambda _: None)

    async def about(self, tenant_id: TenantId, generation_id: GenerationId) -> bytes:
        flight = self._by_id.get((tenant_id, generation_id))
        log = flight.log if flight else self._kept.get(tenant_id, generation_id)
        if log is None:
            raise NotFound("there is no such generation, or no longer")
        return log.about

    async def close(self) -> None:
        for flight in [*self._by_id.values()]:
            flight.cut("closing")
        await asyncio.gather(*self._leaders, return_exceptions=True)

    def _lead(
        self, tenant_id: TenantId, key: str | None, log: Log, start: Start, after: Offset = START
    ) -> Reader:
        flight = Flight(self, tenant_id, key, log)
        if key is not None:
            self._by_key.setdefault((tenant_id, key), flight)
        self._by_id[tenant_id, log.generation_id] = flight
        reader = flight.attach(start, after)
        flight.lead(log.attempt + 1)
        metrics.generation_readers.labels("leader").inc()
        return reader

    def led(self, flight: Flight, leader: asyncio.Task[None], /) -> None:
        """Wait for it when closing."""
        self._leaders.add(leader)
        leader.add_done_callback(self._leaders.discard)

    def wrote(self, flight: Flight, /) -> None:
        """Readers here have it already."""

    def ended(self, flight: Flight, /) -> None:
        """Free the key, and keep the log for those who resume."""
        tenant_id, key = flight.tenant_id, flight.key
        if key is not None and self._by_key.get((tenant_id, key)) is flight:
            del self._by_key[tenant_id, key]
        self._by_id.pop((tenant_id, flight.log.generation_id), None)
        self._kept.keep(tenant_id, key, flight.log)

    def emptied(self, flight: Flight, /) -> None:
        """Cut the leader: nobody reads."""
        metrics.generations_cancelled.inc()
        flight.cut("cancelled")
