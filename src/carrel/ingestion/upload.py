"""Accepting documents: what is acknowledged is on disk and has a job.

The original is stored first; one transaction then records the version and its
job. A crash before the commit leaves a file without a row, which stays until its
tenant is erased; a crash after it loses nothing.
"""

import hashlib
import json
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from carrel.database.access import is_there, seen_by
from carrel.database.engine import Database, Transaction
from carrel.database.tables import document_groups, documents, versions
from carrel.domain.document import Document
from carrel.domain.errors import Conflict
from carrel.domain.ids import DocumentId, TenantId, new_id
from carrel.ingestion import idempotency
from carrel.ingestion.description import MAX_TITLE, Upload, check
from carrel.ingestion.documents import DocumentStore, bump_corpus
from carrel.ingestion.fetch.target import check_url
from carrel.ingestion.idempotency import Carried
from carrel.ingestion.originals.store import Original, Originals
from carrel.ingestion.parse.detect import detect
from carrel.ingestion.quotas import Quotas
from carrel.jobs.queue import add_job

# Written once: to build a statement would take as long as to run it.
_NEWEST = (
    select(versions.c.version, versions.c.content_hash, versions.c.status, is_there)
    .select_from(
        documents.join(
            versions,
            (versions.c.tenant_id == documents.c.tenant_id)
            & (versions.c.document_id == documents.c.id)
            & (versions.c.version == documents.c.newest_version),
        )
    )
    .where(
        documents.c.tenant_id == bindparam("tenant_id"), documents.c.id == bindparam("document_id")
    )
    .with_for_update()  # two uploads of one id take turns; SQLite's write lock does that
)
_HIDDEN = select(documents.c.id).where(
    documents.c.tenant_id == bindparam("tenant_id"),
    documents.c.id == bindparam("document_id"),
    is_there,
    ~seen_by(),
)


@dataclass(frozen=True, slots=True)
class _Content:
    """What a version is made of: a stored file, or a URL whose file is to be fetched."""

    sha256: str  # of the file, or of the URL
    media_type: str
    original: Original | None = None
    url: str | None = None


class Uploads:
    """Takes documents in."""

    def __init__(
        self, database: Database, originals: Originals, store: DocumentStore, quotas: Quotas
    ) -> None:
        self._database = database
        self._originals = originals
        self._store = store
        self._quotas = quotas

    async def accept(
        self, tenant_id: TenantId, upload: Upload, pieces: AsyncIterable[bytes]
    ) -> Document:
        """The document, queued; or as it was, when the same content came before under its id.

        Raises:
            InvalidRequest: empty, or a field is wrong.
            UnsupportedMediaType, TooLarge, StorageFull: nothing was kept.
            Conflict: the first request with this idempotency key is still under way.
            RateLimited: too many of the tenant's documents wait already.
            QuotaExhausted: the tenant keeps as much as it may.
        """
        check(upload)
        await self._quotas.check_queue(tenant_id)
        key = upload.idempotency_key
        carried = await idempotency.begin(self._database, tenant_id, key) if key else None
        try:
            document_id = await self._store_and_record(tenant_id, upload, pieces, carried)
        except BaseException:
            if key and carried is None:
                await idempotency.abandon(self._database, tenant_id, key)
            raise
        # What one may not see one may still upload: the answer is for its uploader.
        return await self._store.get(tenant_id, document_id, (*upload.seen_by, *upload.groups))

    async def accept_url(self, tenant_id: TenantId, upload: Upload, url: str) -> Document:
        """The document, queued to be fetched from *url*; or as it is, while that is under way.

        Raises:
            InvalidRequest: the URL cannot be fetched from, or a field is wrong.
            Conflict, RateLimited, QuotaExhausted: as of `accept`.
        """
        check(upload)
        check_url(url)
        await self._quotas.check_queue(tenant_id)
        content = _Content(hashlib.sha256(url.encode()).hexdigest(), "", url=url)
        key = upload.idempotency_key
        carried = await idempotency.begin(self._database, tenant_id, key) if key else None
        try:
            if carried is not None:
                carried.check(_body_hash(content, upload))
                document_id = carried.document_id
            else:
                document_id = DocumentId(upload.document_id or new_id("doc"))
                await self._record(tenant_id, document_id, upload, content)
        except BaseException:
            if key and carried is None:
                await idempotency.abandon(self._database, tenant_id, key)
            raise
        return await self._store.get(tenant_id, document_id, (*upload.seen_by, *upload.groups))

    async def _store_and_record(
        self,
        tenant_id: TenantId,
        upload: Upload,
        pieces: AsyncIterable[bytes],
        carried: Carried | None,
    ) -> DocumentId:
        original = await self._originals.store(tenant_id, pieces)
        kept = False
        try:
            if carried is not None:
                carried.check(_body_hash(_Content(original.sha256, ""), upload))
                return carried.document_id
            media_type = detect(upload.filename, upload.media_type, original.head)
            content = _Content(original.sha256, media_type, original)
            document_id = DocumentId(upload.document_id or new_id("doc"))
            kept = await self._record(tenant_id, document_id, upload, content)
            return document_id
        finally:
            if not kept:
                await self._originals.remove(tenant_id, original.name)

    async def _record(
        self,
        tenant_id: TenantId,
        document_id: DocumentId,
        upload: Upload,
        content: _Content,
    ) -> bool:
        """Whether a new version was recorded; False when nothing changed."""
        title = upload.title or upload.filename or content.url or document_id
        content_hash = _content_hash(content, title, upload)
        size = content.original.size if content.original else 0
        now = datetime.now(UTC)
        async with self._database.write(brief=True) as connection:
            newest = await _newest(connection, tenant_id, document_id)
            await _check_sight(connection, tenant_id, document_id, upload.seen_by)
            changed = newest is None or not newest.is_same(content_hash, fetched=bool(content.url))
            if changed:
                await self._quotas.admit(connection, tenant_id, document_id, size)
                version = 1 if newest is None else newest.version + 1
                await _put_document(connection, tenant_id, document_id, version, now)
                await _put_groups(connection, tenant_id, document_id, upload.groups)
                if newest is not None:  # what its groups were may have been taken away
                    await bump_corpus(connection, tenant_id)
                await connection.execute(
                    insert(versions),
                    {
                        "tenant_id": tenant_id,
                        "document_id": document_id,
                        "version": version,
                        "original": content.original.name if content.original else "",
                        "url": content.url,
                        "content_hash": content_hash,
                        "title": title[:MAX_TITLE],
                        "filename": upload.filename and upload.filename[:MAX_TITLE],
                        "media_type": content.media_type,
                        "bytes": size,
                        "metadata": dict(upload.metadata),
                        "groups": list(upload.groups),
                        "status": "queued",
                        "progress": 0.0,
                        "chunks": 0,
                        "created_at": now,
                        "updated_at": now,
                    },
                )
                await add_job(
                    connection, "ingest", tenant_id, document_id, version, priority=upload.priority
                )
            if upload.idempotency_key:
                await idempotency.complete(
                    connection,
                    tenant_id,
                    upload.idempotency_key,
                    _body_hash(content, upload),
                    document_id,
                )
        return changed


@dataclass(frozen=True, slots=True)
class _Newest:
    version: int
    content_hash: str
    status: str
    is_there: bool

    def is_same(self, content_hash: str, *, fetched: bool) -> bool:
        """Whether there is nothing to do; what was *fetched* before may be other by now."""
        done = ("failed", "ready") if fetched else ("failed",)
        return self.is_there and self.status not in done and self.content_hash == content_hash


async def _newest(
    connection: Transaction, tenant_id: TenantId, document_id: DocumentId
) -> _Newest | None:
    asked = {"tenant_id": tenant_id, "document_id": document_id}
    row = (await connection.execute(_NEWEST, asked)).first()
    return None if row is None else _Newest(*row)


async def _put_document(
    connection: Transaction,
    tenant_id: TenantId,
    document_id: DocumentId,
    version: int,
    now: datetime,
) -> None:
    if version > 1:
        await connection.execute(
            update(documents)
            .where(documents.c.tenant_id == tenant_id, documents.c.id == document_id)
            .values(newest_version=version)
        )
        return
    try:
        await connection.execute(
            insert(documents),
            {
                "tenant_id": tenant_id,
                "id": document_id,
                "live_version": 0,
                "newest_version": version,
                "deleted_through": 0,
                "created_at": now,
            },
        )
    except IntegrityError:
        raise Conflict("another upload of this document_id came at the same time") from None


async def _check_sight(
    connection: Transaction, tenant_id: TenantId, document_id: DocumentId, groups: Sequence[str]
) -> None:
    """Raises `Conflict` for a document that the caller may not see, and so not replace."""
    asked = {"tenant_id": tenant_id, "document_id": document_id, "groups": list(groups)}
    if (await connection.execute(_HIDDEN, asked)).first() is not None:
        raise Conflict("this document_id is taken")


async def _put_groups(
    connection: Transaction, tenant_id: TenantId, document_id: DocumentId, groups: Sequence[str]
) -> None:
    """What is taken away is so from this commit on; what is given, once the version is ready.

    Versions before it stay what they were: for those who are in both their groups and these.
    """
    await connection.execute(
        delete(document_groups).where(
            document_groups.c.tenant_id == tenant_id,
            document_groups.c.document_id == document_id,
        )
    )
    for group in groups:
        await connection.execute(
            insert(document_groups).values(
                tenant_id=tenant_id, document_id=document_id, group=group
            )
        )


def _body_hash(content: _Content, upload: Upload) -> str:
    said = [content.sha256, upload.document_id, upload.title, upload.metadata, upload.groups]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=list).encode()).hexdigest()


def _content_hash(content: _Content, title: str, upload: Upload) -> str:
    said = [content.sha256, title, upload.metadata, upload.groups]
    described = json.dumps(said, sort_keys=True, default=list)
    return hashlib.sha256(described.encode()).hexdigest()
