"""Cancelling a version under way: it has failed at once, and the one before it serves on.

Its job turns into one that discards what was staged. A worker that is at it cannot
commit any more, and the other job waits until that worker has let go, or is dead.
"""

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import select, update

from carrel.database.access import is_there, seen_by
from carrel.database.engine import Database
from carrel.database.tables import documents, jobs, versions
from carrel.domain.errors import Conflict, NotFound
from carrel.domain.ids import DocumentId, TenantId

CANCELLED = "cancelled"


async def cancel(
    database: Database, tenant_id: TenantId, document_id: DocumentId, groups: Collection[str] = ()
) -> None:
    """Stop the newest version of a document from becoming searchable.

    Raises:
        NotFound: no such document of this tenant, or none that *groups* may see.
        Conflict: nothing of it is under way.
    """
    now = datetime.now(UTC)
    async with database.write(brief=True) as connection:
        query = select(documents.c.newest_version).where(
            documents.c.tenant_id == tenant_id,
            documents.c.id == document_id,
            is_there,
            seen_by(groups),
        )
        row = (await connection.execute(query)).first()
        if row is None:
            raise NotFound("no such document")
        turned = await connection.execute(
            update(jobs)
            .where(
                jobs.c.tenant_id == tenant_id,
                jobs.c.document_id == document_id,
                jobs.c.version == row.newest_version,
                jobs.c.kind == "ingest",
            )
            .values(kind="discard", priority=0, run_after=now)
        )
        if turned.rowcount == 0:
            raise Conflict("nothing of this document is under way")
        await connection.execute(
            update(versions)
            .where(
                versions.c.tenant_id == tenant_id,
                versions.c.document_id == document_id,
                versions.c.version == row.newest_version,
            )
            .values(status="failed", error=CANCELLED, updated_at=now)
        )
