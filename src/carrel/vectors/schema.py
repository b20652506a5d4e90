"""The mapping between points and stored payloads, shared by every vector store.

A chunk's point always has the same id, a UUIDv8 (RFC 9562): 90 bits of a SHA-256
over tenant, document and version, then the chunk's ordinal. So writing twice
changes nothing, no tenant can name another's point, and the chunks of a version
sort in their order.
"""

import hashlib
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from carrel.domain.document import Chunk
from carrel.domain.errors import IsolationViolation
from carrel.domain.filter import facts
from carrel.domain.ids import ChunkId, DocumentId, TenantId
from carrel.domain.vector import DenseVector, SparseVector
from carrel.vectors.store import Point, StoredChunk

DENSE = "dense"
SPARSE = "sparse"
TENANT = "tenant_id"
VISIBLE_TO = "visible_to"
DOCUMENT = "document_id"
VERSION = "version"
FACTS = "facts"
METADATA = "metadata"
EVERYONE = "everyone"
# No upload may name a document so: a document's id is printable.
ASIDE = "\x1f"
_ORDINAL = 0xFFFF_FFFF  # the bits of a chunk's id that hold its ordinal

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


def chunk_id(tenant_id: TenantId, document_id: DocumentId, version: int, ordinal: int) -> ChunkId:
    """The id of a chunk and of its point. Parts are length-prefixed, so no two paths collide."""
    parts = (tenant_id, document_id, str(version))
    path = "".join(f"{len(part)}:{part}" for part in parts)
    place = hashlib.sha256(path.encode()).digest()[:12] + ordinal.to_bytes(4, "big")
    bits = int.from_bytes(place, "big")
    bits = bits & ~(0xF << 76) | 8 << 76  # the version field
    bits = bits & ~(0b11 << 62) | 0b10 << 62  # the variant field
    return ChunkId(str(uuid.UUID(int=bits)))


def neighbour(chunk: ChunkId, step: int) -> ChunkId | None:
    """The id that the chunk *step* places further in the same version would have.

    None before the first. Whether there is such a chunk, only the store can say.
    """
    number = uuid.UUID(chunk).int
    ordinal = (number & _ORDINAL) + step
    if not 0 <= ordinal <= _ORDINAL:
        return None
    return ChunkId(str(uuid.UUID(int=number & ~_ORDINAL | ordinal)))


def published_to(groups: Collection[str]) -> list[str]:
    """What a published point says of who may see it; a staged one names nobody."""
    return [_group(name) for name in groups] or [EVERYONE]


def groups_of(audience: Collection[str]) -> list[str]:
    """The groups that a published point names; none where it is for everyone."""
    return [name.removeprefix("group:") for name in audience if name != EVERYONE]


def seen_by(groups: Collection[str]) -> list[str]:
    """What a caller of these groups may see: points that name one of the values."""
    return [EVERYONE, *(_group(name) for name in groups)]


def seen_aside(word: str) -> list[str]:
    """What a handle aside sees, and what its points name; no group's sight is ever among it."""
    return [f"aside:{word}"]


def is_aside(document_id: DocumentId) -> bool:
    """Whether it is none of the tenant's documents."""
    return document_id.startswith(ASIDE)


def _group(name: str) -> str:
    return f"group:{name}"  # no name of a group is `everyone`


def to_payload(
    tenant_id: TenantId, point: Point, visible_to: Collection[str] = ()
) -> dict[str, Any]:
    """The stored payload of a freshly staged point: visible to nobody, unless it lies aside."""
    chunk = point.chunk
    return {
        TENANT: tenant_id,
        VISIBLE_TO: [*visible_to],
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


def to_point(
    tenant_id: TenantId,
    point_id: str,
    payload: dict[str, Any],
    dense: DenseVector,
    sparse: SparseVector,
) -> Point:
    """A returned point as it was staged, with the vectors that are stored.

    Raises:
        IsolationViolation: the payload belongs to another tenant.
    """
    stored = to_chunk(tenant_id, point_id, payload)
    return Point(
        document_id=stored.document_id,
        version=stored.version,
        chunk=stored.chunk,
        content_hash=stored.content_hash,
        dense=dense,
        sparse=sparse,
        metadata=payload[METADATA],
    )


def to_chunk(tenant_id: TenantId, point_id: str, payload: dict[str, Any]) -> StoredChunk:
    """The chunk of a returned point.

    Raises:
        IsolationViolation: the payload belongs to another tenant.
    """
    check_tenant(tenant_id, point_id, payload)
    return StoredChunk(
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
    )


def check_tenant(tenant_id: TenantId, point_id: str, payload: Mapping[str, Any]) -> None:
    """Raises `IsolationViolation` where the payload belongs to another tenant."""
    if payload.get(TENANT) != tenant_id:
        raise IsolationViolation(
            f"the vector store returned point {point_id} of another tenant to {tenant_id}"
        )
