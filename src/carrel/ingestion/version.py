"""The version of a document that a job is about."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, and_, select, update

from carrel.database.engine import Transaction
from carrel.database.tables import documents, versions
from carrel.domain.document import Metadata
from carrel.domain.ids import DocumentId, TenantId
from carrel.embedding.chunk_text import own_title
from carrel.jobs.queue import Job


@dataclass(frozen=True, slots=True)
class Version:
    """What indexing needs to know of one version."""

    tenant_id: TenantId
    document_id: DocumentId
    number: int
    original: str  # empty until it was fetched
    url: str | None
    title: str  # empty where the document has none but its id
    media_type: str
    metadata: Metadata
    groups: tuple[str, ...]

    @property
    def is_untitled(self) -> bool:
        """Whether its address stands for its title, for want of one."""
        return self.url is not None and self.url.startswith(self.title)


def is_of(job: Job) -> ColumnElement[bool]:
    """True for the row of the job's version."""
    return and_(
        versions.c.tenant_id == job.tenant_id,
        versions.c.document_id == job.document_id,
        versions.c.version == job.version,
    )


async def begin(connection: Transaction, job: Job) -> Version | None:
    """The job's version, marked as processing; None when it was deleted meanwhile."""
    query = (
        select(versions, documents.c.deleted_through)
        .select_from(
            versions.join(
                documents,
                (documents.c.tenant_id == versions.c.tenant_id)
                & (documents.c.id == versions.c.document_id),
            )
        )
        .where(is_of(job))
    )
    row = (await connection.execute(query)).first()
    if row is None or job.version <= row.deleted_through:
        return None
    await connection.execute(
        update(versions).where(is_of(job)).values(status="processing", updated_at=datetime.now(UTC))
    )
    return Version(
        job.tenant_id,
        job.document_id,
        job.version,
        row.original,
        row.url,
        own_title(row.title, job.document_id),
        row.media_type,
        row.metadata,
        tuple(row.groups),
    )
