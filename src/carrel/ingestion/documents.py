"""Documents in the metadata database: which there are, in which state, and what searches may show.

`live_version` is the one truth about visibility: a search result of any other
version is dropped, so a version appears and disappears in one commit.
"""

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, or_, select, update

from carrel.database.access import is_there, seen_by
from carrel.database.engine import Database, Transaction
from carrel.database.tables import document_groups, documents, tenants, versions
from carrel.domain.document import Document
from carrel.domain.errors import InvalidRequest, NotFound
from carrel.domain.ids import DocumentId, TenantId
from carrel.jobs.queue import add_job

# Between two looks at a document that someone waits for.
FIRST_PAUSE_SECONDS = 0.04
LONGEST_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Page:
    """Some documents in the order in which they were made, and whether more follow."""

    documents: list[Document]
    has_more: bool


_newest = and_(
    versions.c.tenant_id == documents.c.tenant_id,
    versions.c.document_id == documents.c.id,
    versions.c.version == documents.c.newest_version,
)
_columns: tuple[Any, ...] = (
    documents.c.id,
    documents.c.created_at,
    versions.c.status,
    versions.c.title,
    versions.c.media_type,
    versions.c.bytes,
    versions.c.chunks,
    versions.c.version,
    versions.c.error,
    versions.c.progress,
    versions.c.updated_at,
    versions.c.metadata,
)
# Written once: to build a statement would take as long as to run it.
_GET = (
    select(*_columns)
    .select_from(documents.join(versions, _newest))
    .where(
        documents.c.tenant_id == bindparam("tenant_id"),
        documents.c.id == bindparam("document_id"),
        is_there,
        seen_by(),
    )
)
_GROUPS = select(document_groups).where(
    document_groups.c.tenant_id == bindparam("tenant_id"),
    document_groups.c.document_id.in_(bindparam("document_ids", expanding=True)),
)


class DocumentStore:
    """One place to ask about documents; every method is within one tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(
        self, tenant_id: TenantId, document_id: DocumentId, groups: Collection[str] = ()
    ) -> Document:
        """The document, in the state of its newest version.

        Raises:
            NotFound: no such document of this tenant, or none that *groups* may see.
        """
        asked = {"tenant_id": tenant_id, "document_id": document_id, "groups": list(groups)}
        rows = await self._database.fetch(_GET, asked)
        if not rows:
            raise NotFound("no such document")
        [document] = await self._with_groups(tenant_id, rows)
        return document

    async def wait(
        self,
        tenant_id: TenantId,
        document_id: DocumentId,
        groups: Collection[str] = (),
        *,
        seconds: float,
    ) -> Document:
        """The document once it is ready or failed, or as it is after *seconds*."""
        deadline = time.monotonic() + seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            document = await self.get(tenant_id, document_id, groups)
            if document.status in ("ready", "failed") or time.monotonic() >= deadline:
                return document
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)

    async def list(
        self,
        tenant_id: TenantId,
        groups: Collection[str] = (),
        *,
        limit: int,
        after: DocumentId | None,
    ) -> Page:
        """The documents that *groups* may see, oldest first, that follow the document *after*.

        Raises:
            InvalidRequest: *after* names no document.
        """
        query = (
            select(*_columns)
            .select_from(documents.join(versions, _newest))
            .where(documents.c.tenant_id == tenant_id, is_there, seen_by(groups))
            .order_by(documents.c.created_at, documents.c.id)
            .limit(limit + 1)
        )
        if after is not None:
            query = query.where(await _follows(self._database, tenant_id, after, groups))
        rows = await self._database.fetch(query)
        page = await self._with_groups(tenant_id, rows[:limit])
        return Page(page, has_more=len(rows) > limit)

    async def delete(
        self, tenant_id: TenantId, document_id: DocumentId, groups: Collection[str] = ()
    ) -> None:
        """Make the document invisible now; its points and file go soon after.

        Raises:
            NotFound: no such document of this tenant, or none that *groups* may see.
        """
        statement = (
            update(documents)
            .where(
                documents.c.tenant_id == tenant_id,
                documents.c.id == document_id,
                is_there,
                seen_by(groups),
            )
            .values(deleted_through=documents.c.newest_version, live_version=0)
            .returning(documents.c.newest_version)
        )
        async with self._database.write(brief=True) as connection:
            row = (await connection.execute(statement)).first()
            if row is None:
                raise NotFound("no such document")
            await bump_corpus(connection, tenant_id)
            await add_job(connection, "remove", tenant_id, document_id, row.newest_version)

    async def _with_groups(
        self, tenant_id: TenantId, rows: Sequence[Row[*tuple[Any, ...]]]
    ) -> "list[Document]":
        asked = {"tenant_id": tenant_id, "document_ids": [row.id for row in rows]}
        groups: dict[str, list[str]] = {}
        for row in await self._database.fetch(_GROUPS, asked):
            groups.setdefault(row.document_id, []).append(row.group)
        return [_document(row, tuple(sorted(groups.get(row.id, ())))) for row in rows]


async def bump_corpus(connection: Transaction, tenant_id: TenantId) -> None:
    """Record, in the caller's transaction, that what the tenant's searches return may change."""
    await connection.execute(
        update(tenants)
        .where(tenants.c.id == tenant_id)
        .values(corpus_version=tenants.c.corpus_version + 1, updated_at=datetime.now(UTC))
    )


async def _follows(
    database: Database, tenant_id: TenantId, after: DocumentId, groups: Collection[str]
):
    query = select(documents.c.created_at).where(
        documents.c.tenant_id == tenant_id, documents.c.id == after, is_there, seen_by(groups)
    )
    rows = await database.fetch(query)
    if not rows:
        raise InvalidRequest("`after` names no document", param="after")
    row = rows[0]
    return or_(
        documents.c.created_at > row.created_at,
        and_(documents.c.created_at == row.created_at, documents.c.id > after),
    )


def _document(row: Row[*tuple[Any, ...]], groups: tuple[str, ...]) -> Document:
    return Document(
        id=row.id,
        status=row.status,
        title=row.title,
        media_type=row.media_type,
        bytes=row.bytes,
        chunks=row.chunks,
        version=row.version,
        error=row.error,
        progress=row.progress,
        created_at=row.created_at,
        updated_at=row.updated_at,
        metadata=row.metadata,
        groups=groups,
    )
