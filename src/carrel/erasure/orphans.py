"""Files that no document names: what a crash between storing a file and its commit leaves."""

import asyncio
import logging

from sqlalchemy import select

from carrel.database.engine import Database
from carrel.database.tables import versions
from carrel.domain.errors import CarrelError
from carrel.ingestion.originals.store import Originals

log = logging.getLogger(__name__)

# An upload that is still under way has stored its file and not yet named it.
OLD_SECONDS = 3600.0


async def remove_orphans_hourly(database: Database, originals: Originals) -> None:
    """Remove orphans now and every hour, until cancelled."""
    while True:
        try:
            if removed := await remove_orphans(database, originals):
                log.info("removed %d files of uploads that never came to their end", removed)
            await originals.remove_leftovers(older_than_seconds=OLD_SECONDS)
        except (CarrelError, OSError) as error:
            log.warning("cannot look for files without a document: %s", error)
        await asyncio.sleep(OLD_SECONDS)


async def remove_orphans(
    database: Database, originals: Originals, *, older_than_seconds: float = OLD_SECONDS
) -> int:
    """Delete them; gives how many there were.

    Raises:
        CarrelError: the database does not answer; nothing of what is not known is deleted.
    """
    removed = 0
    for tenant_id in await originals.tenants():
        there = await originals.names(tenant_id, older_than_seconds=older_than_seconds)
        query = select(versions.c.original).where(versions.c.tenant_id == tenant_id)
        named = {row.original for row in await database.fetch(query)} if there else set[str]()
        for name in there - named:
            await originals.remove(tenant_id, name)
            removed += 1
    return removed
