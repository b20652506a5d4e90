"""Which documents searches may show: the metadata database says, at every search."""

from collections.abc import Collection
from dataclasses import dataclass

import orjson
from sqlalchemy import and_, bindparam, select

from carrel.database.access import is_there, seen_by
from carrel.database.engine import Database
from carrel.database.tables import documents, versions
from carrel.domain.document import Metadata
from carrel.domain.ids import DocumentId, TenantId

# Written once: to build the statement would take as long as to run it.
_LIVE = (
    select(documents.c.id, versions.c.version, versions.c.title, versions.c.metadata)
    .select_from(
        documents.join(
            versions,
            and_(
                versions.c.tenant_id == documents.c.tenant_id,
                versions.c.document_id == documents.c.id,
                versions.c.version == documents.c.live_version,
            ),
        )
    )
    .where(
        documents.c.tenant_id == bindparam("tenant_id"),
        documents.c.id.in_(bindparam("ids", expanding=True)),
        is_there,
        seen_by(),
    )
)


@dataclass(frozen=True, slots=True)
class LiveDocument:
    """A visible document: its live version, with that version's title and metadata."""

    version: int
    title: str
    metadata: Metadata


async def live_documents(
    database: Database,
    tenant_id: TenantId,
    ids: Collection[DocumentId],
    groups: Collection[str],
) -> dict[DocumentId, LiveDocument]:
    """Those of *ids* that are the tenant's, live, and for *groups* to see."""
    if not ids:
        return {}
    wanted = {"tenant_id": tenant_id, "ids": list(ids), "groups": list(groups)}
    return {
        name: LiveDocument(version, title, _read(metadata))
        for name, version, title, metadata in await database.few(_LIVE, wanted)
    }


def _read(metadata: Metadata | str) -> Metadata:
    return orjson.loads(metadata) if isinstance(metadata, str) else metadata
