"""When each key was last used, to the minute.

No request waits for it: uses are noted in memory and written together, each key
at most once a minute. What was noted is written at the end, too.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime

from sqlalchemy import bindparam, or_, update

from carrel.database.engine import Database
from carrel.database.tables import keys
from carrel.domain.errors import CarrelError
from carrel.domain.ids import KeyId

WRITE_SECONDS = 5.0
NOTE_SECONDS = 60.0
BATCH = 500

log = logging.getLogger(__name__)

_written = (
    update(keys)
    .where(
        keys.c.id == bindparam("key"),
        or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < bindparam("at")),
    )
    .values(last_used_at=bindparam("at"))
)


class LastUse:
    """Notes uses of keys; `run` writes them until it is cancelled."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[KeyId, float] = {}  # in the last minute
        self._pending: dict[KeyId, datetime] = {}  # at most every key there is

    def note(self, key_id: KeyId) -> None:
        """The key was used now."""
        now = time.monotonic()
        if now - self._noted.get(key_id, -NOTE_SECONDS) >= NOTE_SECONDS:
            self._noted[key_id] = now
            self._pending[key_id] = datetime.now(UTC)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Write what was noted; what cannot be written now is kept for the next time."""
        horizon = time.monotonic() - NOTE_SECONDS
        self._noted = {key: at for key, at in self._noted.items() if at > horizon}
        pending, self._pending = self._pending, {}
        # In one order everywhere: two processes that write the same keys must not wait in a circle.
        rows = [{"key": key, "at": at} for key, at in sorted(pending.items())]
        try:
            for start in range(0, len(rows), BATCH):
                async with self._database.write() as transaction:
                    await transaction.execute(_written, rows[start : start + BATCH])
        except CarrelError as error:
            log.warning("when keys were last used is not written: %s", error.message)
            self._pending = pending | self._pending
