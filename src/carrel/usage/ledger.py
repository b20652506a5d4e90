"""The ledger: usage events, append-only, exactly one for each request id.

An event is in the journal before its request ends and in SQL soon after, in
batches; whichever of the two a crash leaves behind, the other catches up. While SQL
is down events wait on disk, and memory holds a bounded number of them.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select

from carrel.database.engine import Database
from carrel.database.tables import usage_events as table
from carrel.domain.errors import CarrelError
from carrel.domain.ids import RequestId, TenantId
from carrel.domain.usage import UsageEvent
from carrel.telemetry import metrics
from carrel.usage.entry import Entry
from carrel.usage.insertion import insertion, rows
from carrel.usage.journal import Closed, Journal, Opened, Record, left_behind

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.25
SWEEP_SECONDS = 10.0
BATCH = 500
MAX_PENDING = 5_000  # more are left to the journal
MAX_UNSAVED = 100_000  # where neither SQL nor the disk takes any: about 100 MB
ROLL_BYTES = 4_000_000


class Ledger:
    """Records usage; `run` must be running for events to reach SQL by themselves.

    *folder* is on this host's own disk, and shared by its processes.
    *count_tokens* counts what models have written.
    """

    def __init__(
        self, database: Database, folder: Path, *, count_tokens: Callable[[str], int]
    ) -> None:
        self._database = database
        self._folder = folder
        self._count_tokens = count_tokens
        self._journal = Journal(folder)
        self._open: dict[RequestId, Entry] = {}
        self._pending: deque[UsageEvent] = deque()
        self._set_aside_at = MAX_PENDING
        self._sealed = False
        # Held while events move from memory to SQL: `spent` must see each of them once.
        self._moving = asyncio.Lock()
        self._insertion = insertion(is_sqlite=database.is_sqlite)

    def open(self, opened: Opened) -> Entry:
        """Note that a model is about to be asked; ends with `record` of the same request id.

        A process that dies before that leaves the request to `recover`.
        """
        entry = self._open[opened.request_id] = Entry(opened, self._journal, self._count_tokens)
        self._journal.append(opened)
        return entry

    def record(self, event: UsageEvent) -> None:
        """Take *event* in: it survives this process, and is in SQL within `FLUSH_SECONDS`."""
        self._journal.append(Closed(event))
        self._open.pop(event.request_id, None)
        self._pending.append(event)
        if len(self._pending) >= self._set_aside_at:
            self._set_aside()

    async def spent_since(self, tenant_id: TenantId, scope: str, start: datetime) -> int:
        """Micro-dollars of *scope*'s events from *start* on; unknown costs count 0.

        The scope is `tenant:ten_x`, or `key:key_x` of that tenant.

        Events that this process has not yet written are part of it; those of other
        processes are up to `FLUSH_SECONDS` late.

        Raises:
            Unavailable: SQL is down.
        """
        if self._sealed:
            await self.recover()
        kind, _, owner = scope.partition(":")
        column = table.c.tenant_id if kind == "tenant" else table.c.key_id
        query = select(func.sum(table.c.cost_micro_usd)).where(column == owner, table.c.at >= start)
        async with self._moving:
            rows = await self._database.fetch(query)
            waiting = sum(
                event.usage.cost_micro_usd or 0
                for event in self._pending
                if owner in (event.tenant_id, event.key_id) and event.at >= start
            )
        return int(rows[0][0] or 0) + waiting

    async def spent_by(
        self, tenant_id: TenantId, requests: Collection[RequestId]
    ) -> dict[RequestId, int]:
        """What each of the tenant's *requests* cost, in micro-dollars; without those not recorded.

        Raises:
            Unavailable: SQL is down.
        """
        query = select(table.c.request_id, table.c.cost_micro_usd).where(
            table.c.tenant_id == tenant_id, table.c.request_id.in_(requests)
        )
        async with self._moving:
            rows = await self._database.fetch(query)
            waiting = {
                event.request_id: event.usage.cost_micro_usd or 0
                for event in self._pending
                if event.tenant_id == tenant_id and event.request_id in requests
            }
        return waiting | {row.request_id: row.cost_micro_usd or 0 for row in rows}

    async def start(self) -> None:
        """Catch up on what killed processes left behind; no fault of it stops the start."""
        try:
            await self.recover()
        except CarrelError as error:
            log.warning("usage events of a process that was killed wait: %s", error.message)
        except Exception:
            log.exception("usage events of a process that was killed cannot be written")

    async def run(self) -> None:
        """Write what comes, and what dead processes left, until cancelled."""
        swept = time.monotonic()
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
                if self._sealed or time.monotonic() - swept >= SWEEP_SECONDS:
                    swept = time.monotonic()
                    await self.recover()
            except CarrelError:
                pass  # kept, and tried again with the next batch
            except Exception:
                log.exception("usage events could not be written; they are kept")

    async def flush(self) -> None:
        """Write everything taken in so far.

        Raises:
            Unavailable, StorageFull: what was not written is kept.
        """
        metrics.usage_pending.set(len(self._pending))
        async with self._moving:
            while self._pending:
                batch = [self._pending.popleft() for _ in range(min(BATCH, len(self._pending)))]
                try:
                    await self._write(batch)
                except BaseException:
                    self._pending.extendleft(reversed(batch))
                    raise
            metrics.usage_pending.set(0)
            if self._journal.size > ROLL_BYTES or not self._journal.intact:
                with contextlib.suppress(OSError):
                    self._journal.roll(self._unwritten(), seal=False)

    async def recover(self) -> int:
        """Write what killed processes of this host left in their journals; how many events.

        Raises:
            Unavailable, StorageFull: what was not written is kept.
        """
        recovered = 0
        journals = left_behind(self._folder)
        try:
            while left := await asyncio.to_thread(next, journals, None):
                events = await asyncio.to_thread(left.events)
                for start in range(0, len(events), BATCH):
                    await self._write(events[start : start + BATCH])
                await asyncio.to_thread(left.remove)
                recovered += len(events)
        finally:
            journals.close()
        self._sealed = False
        if recovered:
            metrics.usage_recovered.inc(recovered)
            log.info("wrote %d usage events from journals that were left behind", recovered)
        return recovered

    async def close(self) -> None:
        """Write what is left; what cannot be written waits in the journal for the next start."""
        try:
            await self.flush()
        except CarrelError as error:
            log.warning("%d usage events wait in the journal: %s", len(self._pending), error)
        self._journal.close(remove=not self._pending and not self._open)

    def _unwritten(self) -> Iterator[Record]:
        for entry in self._open.values():
            yield from entry.records
        for event in self._pending:
            yield Closed(event)

    def _set_aside(self) -> None:
        """SQL has been down for long: let the disk alone keep what memory holds."""
        still_open = (record for entry in self._open.values() for record in entry.records)
        try:
            if not self._journal.intact:
                self._journal.roll(self._unwritten(), seal=False)
            self._journal.roll(still_open, seal=True)
        except OSError:
            self._set_aside_at = len(self._pending) + BATCH
            while len(self._pending) > MAX_UNSAVED:
                lost = self._pending.popleft()
                metrics.usage_lost.inc()
                log.error("neither SQL nor the disk takes usage: lost %s", lost.request_id)  # noqa: TRY400
        else:
            self._pending.clear()
            self._set_aside_at = MAX_PENDING
            self._sealed = True

    async def _write(self, batch: Sequence[UsageEvent]) -> None:
        events = rows(batch, is_sqlite=self._database.is_sqlite)
        async with self._database.write() as connection:
            await connection.execute(self._insertion, {"events": events})
