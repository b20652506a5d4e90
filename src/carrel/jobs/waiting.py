"""How many jobs wait, for how long, and how many were given up: as metrics, of all servers.

Each API process looks, so each can say it; a database that is down changes no figure.
"""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import get_args

from sqlalchemy import func, select

from carrel.database.engine import Database
from carrel.database.tables import dead_jobs, jobs
from carrel.domain.errors import CarrelError
from carrel.jobs.queue import JobKind
from carrel.telemetry import metrics

LOOK_SECONDS = 10.0


async def watch_jobs(database: Database, every_seconds: float = LOOK_SECONDS) -> None:
    """Look now and *every_seconds*, until cancelled."""
    while True:
        with contextlib.suppress(CarrelError):
            await look(database)
        await asyncio.sleep(every_seconds)


async def look(database: Database) -> None:
    """Set the gauges of jobs.

    Raises:
        Unavailable: the database does not answer.
    """
    now = datetime.now(UTC)
    free = jobs.c.lease_until.is_(None) | (jobs.c.lease_until <= now)
    waiting = (
        select(jobs.c.kind, func.count().label("number"), func.min(jobs.c.run_after).label("due"))
        .where(free)
        .group_by(jobs.c.kind)
    )
    found = {row.kind: row for row in await database.fetch(waiting)}
    for kind in get_args(JobKind):
        row = found.get(kind)
        metrics.jobs_waiting.labels(kind).set(row.number if row else 0)
        late = (now - row.due).total_seconds() if row else 0.0
        metrics.jobs_late_seconds.labels(kind).set(max(0.0, late))
    (dead,) = await database.fetch(select(func.count().label("number")).select_from(dead_jobs))
    metrics.jobs_dead.set(dead.number)
