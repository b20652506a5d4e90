"""The ledger: usage events, append-only, exactly one for each request id.

Events are written in batches, so that a request does not wait for the disk;
closing the ledger writes what is left.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence

from carrel.database.engine import Database
from carrel.database.tables import usage_events
from carrel.domain.errors import CarrelError
from carrel.domain.usage import UsageEvent

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.25
BATCH = 500


class Ledger:
    """Records usage; `run` must be running for events to reach the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: deque[UsageEvent] = deque()
        # Each dialect is imported alone: that of Postgres brings its driver along.
        if database.is_sqlite:
            from sqlalchemy.dialects.sqlite import insert
        else:
            from sqlalchemy.dialects.postgresql import insert
        self._insert = insert

    def record(self, event: UsageEvent) -> None:
        """Take *event* in; it is written within `FLUSH_SECONDS`, or at close."""
        self._pending.append(event)

    async def run(self) -> None:
        """Write what comes, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            with contextlib.suppress(CarrelError):  # kept, and tried again with the next batch
                await self.flush()

    async def flush(self) -> None:
        """Write everything taken in so far.

        Raises:
            Unavailable, StorageFull: what was not written is kept.
        """
        while self._pending:
            batch = [self._pending[i] for i in range(min(BATCH, len(self._pending)))]
            await self._write(batch)
            for _ in batch:
                self._pending.popleft()

    async def close(self) -> None:
        try:
            await self.flush()
        except CarrelError as error:
            log.error("%d usage events were not written: %s", len(self._pending), error)  # noqa: TRY400

    async def _write(self, batch: Sequence[UsageEvent]) -> None:
        rows = [
            {
                "request_id": event.request_id,
                "tenant_id": event.tenant_id,
                "key_id": event.key_id,
                "at": event.at,
                "route": event.route,
                "model": event.model,
                "cache_status": event.cache_status,
                "prompt_tokens": event.usage.prompt_tokens,
                "completion_tokens": event.usage.completion_tokens,
                "embedding_tokens": event.usage.embedding_tokens,
                "cost_micro_usd": event.usage.cost_micro_usd,
                "saved_micro_usd": event.usage.saved_micro_usd,
            }
            for event in batch
        ]
        statement = self._insert(usage_events).on_conflict_do_nothing()
        async with self._database.write() as connection:
            await connection.execute(statement, rows)
