"""Accepting documents: what is acknowledged is on disk and has a job.

The original is stored first; one transaction then records the version and its
job. A crash before the commit leaves a file without a row, which stays until its
tenant is erased; a crash after it loses nothing.
"""

import hashlib
import json
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from carrel.database.access import is_there, seen_by
from carrel.database.engine import Database, Transaction
from carrel.database.tables import document_groups, documents, versions
from carrel.domain.document import Document, Metadata, Scalar
from carrel.domain.errors import Conflict, InvalidRequest
from carrel.domain.filter import is_text
from carrel.domain.ids import DocumentId, TenantId, new_id
from carrel.ingestion import idempotency
from carrel.ingestion.documents import DocumentStore
from carrel.ingestion.idempotency import Carried
from carrel.ingestion.originals.store import Original, Originals
from carrel.ingestion.parse.detect import detect
from carrel.ingestion.quotas import Quotas
from carrel.jobs.queue import Priority, add_job

MAX_ID = 200
MAX_TITLE = 500
RESERVED_ENDINGS = ("/events", "/cancel")  # of addresses that say something of a document


@dataclass(frozen=True, slots=True)
class Upload:
    """What a client says of the document that it sends."""

    filename: str | None = None
    media_type: str | None = None
    title: str | None = None
    document_id: str | None = None
    metadata: Metadata = field(default_factory=dict[str, Scalar])
    groups: tuple[str, ...] = ()  # who may see it; none: everyone of the tenant
    idempotency_key: str | None = None
    seen_by: tuple[str, ...] = ()  # the groups of the caller
    priority: Priority = "normal"  # among the tenant's own


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
        _check(upload)
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
                carried.check(_body_hash(original, upload))
                return carried.document_id
            media_type = detect(upload.filename, upload.media_type, original.head)
            document_id = DocumentId(upload.document_id or new_id("doc"))
            kept = await self._record(tenant_id, document_id, upload, original, media_type)
            return document_id
        finally:
            if not kept:
                await self._originals.remove(tenant_id, original.name)

    async def _record(
        self,
        tenant_id: TenantId,
        document_id: DocumentId,
        upload: Upload,
        original: Original,
        media_type: str,
    ) -> bool:
        """Whether a new version was recorded; False when nothing changed."""
        title = upload.title or upload.filename or document_id
        content = _content_hash(original, title, upload)
        now = datetime.now(UTC)
        async with self._database.write() as connection:
            newest = await _newest(connection, tenant_id, document_id)
            await _check_sight(connection, tenant_id, document_id, upload.seen_by)
            changed = newest is None or not newest.is_same(content)
            if changed:
                await self._quotas.admit(connection, tenant_id, document_id, original.size)
                version = 1 if newest is None else newest.version + 1
                await _put_document(connection, tenant_id, document_id, version, now)
                await _put_groups(connection, tenant_id, document_id, upload.groups)
                await connection.execute(
                    insert(versions).values(
                        tenant_id=tenant_id,
                        document_id=document_id,
                        version=version,
                        original=original.name,
                        content_hash=content,
                        title=title[:MAX_TITLE],
                        filename=upload.filename and upload.filename[:MAX_TITLE],
                        media_type=media_type,
                        bytes=original.size,
                        metadata=dict(upload.metadata),
                        groups=list(upload.groups),
                        status="queued",
                        progress=0.0,
                        chunks=0,
                        created_at=now,
                        updated_at=now,
                    )
                )
                await add_job(
                    connection, "ingest", tenant_id, document_id, version, priority=upload.priority
                )
            if upload.idempotency_key:
                await idempotency.complete(
                    connection,
                    tenant_id,
                    upload.idempotency_key,
                    _body_hash(original, upload),
                    document_id,
                )
        return changed


@dataclass(frozen=True, slots=True)
class _Newest:
    version: int
    content_hash: str
    status: str
    is_there: bool

    def is_same(self, content_hash: str) -> bool:
        return self.is_there and self.status != "failed" and self.content_hash == content_hash


async def _newest(
    connection: Transaction, tenant_id: TenantId, document_id: DocumentId
) -> _Newest | None:
    query = (
        select(versions.c.version, versions.c.content_hash, versions.c.status, is_there)
        .select_from(
            documents.join(
                versions,
                (versions.c.tenant_id == documents.c.tenant_id)
                & (versions.c.document_id == documents.c.id)
                & (versions.c.version == documents.c.newest_version),
            )
        )
        .where(documents.c.tenant_id == tenant_id, documents.c.id == document_id)
        .with_for_update()  # two uploads of one id take turns; SQLite's write lock does that
    )
    row = (await connection.execute(query)).first()
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
            insert(documents).values(
                tenant_id=tenant_id,
                id=document_id,
                live_version=0,
                newest_version=version,
                deleted_through=0,
                created_at=now,
            )
        )
    except IntegrityError:
        raise Conflict("another upload of this document_id came at the same time") from None


async def _check_sight(
    connection: Transaction, tenant_id: TenantId, document_id: DocumentId, groups: Sequence[str]
) -> None:
    """Raises `Conflict` for a document that the caller may not see, and so not replace."""
    hidden = select(documents.c.id).where(
        documents.c.tenant_id == tenant_id,
        documents.c.id == document_id,
        is_there,
        ~seen_by(groups),
    )
    if (await connection.execute(hidden)).first() is not None:
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


def _body_hash(original: Original, upload: Upload) -> str:
    said = [original.sha256, upload.document_id, upload.title, upload.metadata, upload.groups]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=list).encode()).hexdigest()


def _content_hash(original: Original, title: str, upload: Upload) -> str:
    said = [original.sha256, title, upload.metadata, upload.groups]
    described = json.dumps(said, sort_keys=True, default=list)
    return hashlib.sha256(described.encode()).hexdigest()


def _check(upload: Upload) -> None:
    name = upload.document_id
    if name is not None and (not name.strip() or len(name) > MAX_ID or not name.isprintable()):
        raise InvalidRequest(
            f"document_id has 1 to {MAX_ID} printable characters", param="document_id"
        )
    if name is not None and name.endswith(RESERVED_ENDINGS):
        raise InvalidRequest(
            f"document_id must not end in {' or '.join(RESERVED_ENDINGS)}", param="document_id"
        )
    key = upload.idempotency_key
    if key is not None and not 0 < len(key) <= MAX_ID:
        raise InvalidRequest(
            f"an Idempotency-Key has 1 to {MAX_ID} characters", param="Idempotency-Key"
        )
    title = upload.title
    if title is not None and (len(title) > MAX_TITLE or not is_text(title)):
        raise InvalidRequest(f"title has at most {MAX_TITLE} characters", param="title")
    if upload.filename is not None and not is_text(upload.filename):
        raise InvalidRequest("the file's name is not valid text", param="file")
