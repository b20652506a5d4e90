"""The mapping between points and stored payloads, shared by every vector store.

Points of one chunk always have the same id, a UUIDv5 (RFC 9562) over tenant,
document, version and ordinal: writing twice changes nothing, and no tenant can
name another's point.
"""

import uuid
from typing import Any

from carrel.domain.document import Chunk
from carrel.domain.errors import IsolationViolation
from carrel.domain.filter import facts
from carrel.domain.ids import ChunkId, DocumentId, TenantId
from carrel.vectors.store import Hit, Point

DENSE = "dense"
SPARSE = "sparse"
TENANT = "tenant_id"
STATE = "state"
DOCUMENT = "document_id"
VERSION = "version"
FACTS = "facts"
METADATA = "metadata"
STAGED = "staged"
LIVE = "live"

# What `to_hit` reads: a search returns these fields, and leaves the (larger) metadata.
SHOWN = (
    TENANT,
    DOCUMENT,
    VERSION,
    "ordinal",
    "text",
    "start",
    "end",
    "heading",
    "page",
    "content_hash",
)

_NAMESPACE = uuid.UUID("5b0c6d0e-5a3c-4a7f-9c39-6f4f7c1f2b11")


def chunk_id(tenant_id: TenantId, document_id: DocumentId, version: int, ordinal: int) -> ChunkId:
    """The id of a chunk and of its point. Parts are length-prefixed, so no two paths collide."""
    parts = (tenant_id, document_id, str(version), str(ordinal))
    name = "".join(f"{len(part)}:{part}" for part in parts)
    return ChunkId(str(uuid.uuid5(_NAMESPACE, name)))


def to_payload(tenant_id: TenantId, point: Point) -> dict[str, Any]:
    """The stored payload of a freshly staged point."""
    chunk = point.chunk
    return {
        TENANT: tenant_id,
        STATE: STAGED,
        DOCUMENT: point.document_id,
        VERSION: point.version,
        "ordinal": chunk.ordinal,
        "text": chunk.text,
        "start": chunk.start,
        "end": chunk.end,
        "heading": chunk.heading,
        "page": chunk.page,
        "content_hash": point.content_hash,
        FACTS: facts(point.metadata),
        METADATA: dict(point.metadata),
    }


def to_hit(tenant_id: TenantId, point_id: str, score: float, payload: dict[str, Any]) -> Hit:
    """The hit of a returned point.

    Raises:
        IsolationViolation: the payload belongs to another tenant.
    """
    if payload.get(TENANT) != tenant_id:
        raise IsolationViolation(
            f"the vector store returned point {point_id} of another tenant to {tenant_id}"
        )
    return Hit(
        chunk_id=ChunkId(point_id),
        document_id=DocumentId(payload[DOCUMENT]),
        version=payload[VERSION],
        chunk=Chunk(
            ordinal=payload["ordinal"],
            text=payload["text"],
            start=payload["start"],
            end=payload["end"],
            heading=payload["heading"],
            page=payload["page"],
        ),
        content_hash=payload["content_hash"],
        score=score,
    )
