"""Generations that replicas share, through Redis.

While Redis is down, generations are this process's alone: those that are led here go on,
those that were led elsewhere are begun again here when Redis has been silent for a lease,
and equal questions meet within the process.
"""

import asyncio
from collections.abc import Callable

from carrel.domain.errors import NotFound
from carrel.domain.ids import GenerationId, TenantId, new_id
from carrel.generations.events import START, Offset
from carrel.generations.flight import Start
from carrel.generations.flights import Flights, Step
from carrel.generations.generations import KEPT_SECONDS, MAX_BYTES
from carrel.generations.kept import KeptLogs
from carrel.generations.log import Log
from carrel.generations.memory import KEPT_BYTES
from carrel.generations.reader import Reader
from carrel.generations.shared_flight import SharedFlight
from carrel.generations.shared_logs import SharedLogs
from carrel.redis.client import RedisClient
from carrel.redis.errors import SharedStateDown
from carrel.telemetry import metrics

LEASE_SECONDS = 5.0
BATCH_SECONDS = 0.02
MAX_DEATHS = 3
CLAIMS = 3


class RedisGenerations:
    """`Generations` that all replicas share; `run` must be running.

    *client* is for what callers wait for; *background*, which should be patient, for the
    rest. Leaders and readers live for *lease_seconds* after their last sign of life; what is
    written within *batch_seconds* reaches other replicas together. Generations that ended can
    be resumed for *kept_seconds*; *kept_bytes* bounds those of them that only this process
    has. After *max_deaths* leaders that died, no other tries.
    """

    def __init__(
        self,
        client: RedisClient,
        background: RedisClient,
        *,
        lease_seconds: float = LEASE_SECONDS,
        batch_seconds: float = BATCH_SECONDS,
        kept_seconds: float = KEPT_SECONDS,
        kept_bytes: int = KEPT_BYTES,
        max_bytes: int = MAX_BYTES,
        max_deaths: int = MAX_DEATHS,
        ahead_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        self._max_bytes = max_bytes
        self._logs = SharedLogs(
            client,
            background,
            lease_seconds=lease_seconds,
            kept_seconds=kept_seconds,
            max_deaths=max_deaths,
            ahead_ms=ahead_ms,
        )
        self._kept = KeptLogs(kept_bytes, kept_seconds)
        self._flights = Flights(
            self._logs, self._kept, lease_seconds=lease_seconds, batch_seconds=batch_seconds
        )

    async def run(self) -> None:
        """Exchange events with the other replicas until cancelled."""
        await self._flights.exchange.run()

    async def join(self, tenant_id: TenantId, key: str, start: Start, about: bytes = b"") -> Reader:
        flight = self._flights.by_key.get((tenant_id, key))
        if flight is None:
            log = Log(GenerationId(new_id("gen")), self._max_bytes, about)
            flight = self._new(tenant_id, key, log, self._claim)
            self._flights.by_key[tenant_id, key] = flight
        return await _settled(flight, flight.attach(start))

    async def follow(
        self,
        tenant_id: TenantId,
        generation_id: GenerationId,
        after: Offset = START,
        start: Start | None = None,
    ) -> Reader:
        flight = self._flights.by_id.get((tenant_id, generation_id))
        if flight is None:
            if log := self._kept.get(tenant_id, generation_id):
                metrics.generation_readers.labels("follower").inc()
                return Reader(log, after, lambda _: None)
            log = Log(generation_id, self._max_bytes)
            flight = self._new(tenant_id, None, log, self._find)
            self._flights.by_id[tenant_id, generation_id] = flight
        return await _settled(flight, flight.attach(start, after))

    async def about(self, tenant_id: TenantId, generation_id: GenerationId) -> bytes:
        flight = self._flights.by_id.get((tenant_id, generation_id))
        log = flight.log if flight else self._kept.get(tenant_id, generation_id)
        if log and log.about:
            return log.about
        about = await self._logs.about(tenant_id, generation_id)
        if about is None:
            raise NotFound("there is no such generation, or no longer")
        return about

    async def close(self) -> None:
        await self._flights.close()

    def _new(self, tenant_id: TenantId, key: str | None, log: Log, step: Step) -> SharedFlight:
        flight = SharedFlight(self._flights, tenant_id, key, log)
        self._flights.settle(flight, step)
        return flight

    async def _claim(self, flight: SharedFlight) -> None:
        """Lead the generation of the flight's key, or follow whoever does."""
        own, over = flight.log.generation_id, None
        try:
            for _ in range(CLAIMS):
                current = await self._logs.claim(flight, own, over)
                if current == own:
                    await self._flights.lead(flight, 1)
                    return
                ours = self._flights.by_id.get((flight.tenant_id, current))
                if ours and ours.log.end:  # which Redis has not heard yet
                    over = current
                    continue
                standing = await self._logs.enter(flight, current)
                # One that is done by now was under way when this caller came.
                if standing and standing.end in {"", "done"}:
                    flight.log.generation_id = current
                    await self._flights.follow(flight, standing)
                    return
                over = current
            flight.stand_alone()
        except SharedStateDown as down:
            if not down.sent:
                flight.stand_alone()
        await self._flights.lead(flight, 1)  # for Redis, too, in case it heard of it after all

    async def _find(self, flight: SharedFlight) -> None:
        """Follow the generation of the flight's id."""
        try:
            standing = await self._logs.enter(flight, flight.log.generation_id)
            if standing is None:
                raise NotFound("there is no such generation, or no longer")
        except BaseException:
            self._flights.drop(flight)
            raise
        await self._flights.follow(flight, standing)


async def _settled(flight: SharedFlight, reader: Reader) -> Reader:
    """*reader*, when it is known who leads."""
    try:
        if flight.settling:
            await asyncio.shield(flight.settling)
    except BaseException:
        reader.close()
        raise
    metrics.generation_readers.labels("leader" if reader.leads else "follower").inc()
    return reader
