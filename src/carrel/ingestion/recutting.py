"""Cutting documents again after a change of how that is done, while they are searched.

A document that was cut otherwise gets a new version of the same file, which takes the usual way:
the version before is searched until the new one takes its place, in one commit. Nothing is
remembered here: what is left to do is what the versions say of themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, func, insert, or_, select, update

from carrel.database.engine import Database, Transaction
from carrel.database.tables import documents, jobs, versions
from carrel.domain.ids import TenantId
from carrel.ingestion.quotas import Quotas
from carrel.jobs.queue import job_row

_live = versions.alias("live")
# Documents with chunks that were cut otherwise, and their newest versions.
_CUT_OTHERWISE = (
    documents.join(
        _live,
        and_(
            _live.c.tenant_id == documents.c.tenant_id,
            _live.c.document_id == documents.c.id,
            _live.c.version == documents.c.live_version,
        ),
    ).join(
        versions,
        and_(
            versions.c.tenant_id == documents.c.tenant_id,
            versions.c.document_id == documents.c.id,
            versions.c.version == documents.c.newest_version,
        ),
    ),
    documents.c.tenant_id == bindparam("of_tenant"),
    or_(_live.c.chunking.is_(None), _live.c.chunking != bindparam("present")),
)
_COUNTS = (
    select(versions.c.status, func.count().label("documents"))
    .select_from(_CUT_OTHERWISE[0])
    .where(*_CUT_OTHERWISE[1:])
    .group_by(versions.c.status)
)
_NEXT = (
    select(versions)
    .select_from(_CUT_OTHERWISE[0])
    .where(*_CUT_OTHERWISE[1:], versions.c.status == "ready")
    .order_by(documents.c.id)
    .limit(bindparam("most"))
    .with_for_update(of=documents)  # an upload of the same id takes its turn
)
_RENEW = (
    update(documents)
    .where(
        documents.c.tenant_id == bindparam("of_tenant"), documents.c.id == bindparam("of_document")
    )
    .values(newest_version=bindparam("number"))
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How many documents' chunks were cut otherwise than *chunking* says, and what comes of them.

    `left`: nothing yet. `waiting`: a new version is on its way. `failed`: the newest version has
    failed, so the one before serves on.
    """

    chunking: str
    left: int
    waiting: int
    failed: int


class Recutting:
    """Gives documents new versions, which workers cut as *chunking* says."""

    def __init__(self, database: Database, quotas: Quotas, chunking: str) -> None:
        self._database = database
        self._quotas = quotas
        self._chunking = chunking

    async def standing(self, tenant_id: TenantId) -> Standing:
        """How far the tenant's documents are."""
        asked = {"of_tenant": tenant_id, "present": self._chunking}
        counts = {row.status: row.documents for row in await self._database.fetch(_COUNTS, asked)}
        left, failed = counts.pop("ready", 0), counts.pop("failed", 0)
        return Standing(self._chunking, left, sum(counts.values()), failed)

    async def queue(self, tenant_id: TenantId, most: int) -> int:
        """Queue up to so many documents that are left, behind all others; how many it were.

        Of the places in its queue that are free, half are left to uploads.
        """
        room = await self._quotas.room(tenant_id)
        asked = {
            "of_tenant": tenant_id,
            "present": self._chunking,
            "most": min(most, -(-room // 2)),
        }
        async with self._database.write() as connection:
            found = (await connection.execute(_NEXT, asked)).mappings().all()
            if found:
                await _queue(connection, tenant_id, found)
        return len(found)


async def _queue(connection: Transaction, tenant_id: TenantId, found: Sequence[RowMapping]) -> None:
    now = datetime.now(UTC)
    again: dict[str, Any] = {
        "status": "queued",
        "progress": 0.0,
        "chunks": 0,
        "chunking": None,
        "created_at": now,
        "updated_at": now,
    }
    renewed: list[dict[str, Any]] = [
        {**row, **again, "version": row["version"] + 1} for row in found
    ]
    await connection.execute(insert(versions), renewed)
    await connection.execute(
        _RENEW,
        [
            {"of_tenant": tenant_id, "of_document": each["document_id"], "number": each["version"]}
            for each in renewed
        ],
    )
    waiting = [
        job_row("ingest", tenant_id, each["document_id"], each["version"], priority="low")
        for each in renewed
    ]
    await connection.execute(insert(jobs), waiting)
