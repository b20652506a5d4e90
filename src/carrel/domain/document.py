"""Documents and what becomes of them: text with pages, then chunks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from carrel.domain.ids import ChunkId, DocumentId

DocumentStatus = Literal["queued", "processing", "ready", "failed"]
Scalar = str | int | float | bool
Metadata = Mapping[str, Scalar | Sequence[Scalar]]


@dataclass(frozen=True, slots=True)
class Document:
    """A document as its tenant sees it: the newest version's state."""

    id: DocumentId
    status: DocumentStatus
    title: str
    media_type: str
    bytes: int
    chunks: int
    version: int
    error: str | None
    progress: float
    created_at: datetime
    updated_at: datetime
    metadata: Metadata
    groups: tuple[str, ...] = ()  # none: for everyone of the tenant


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """Text that a parser read, as Markdown where the format has structure.

    `page_starts[i]` is the character offset at which page i + 1 starts; empty
    for formats without pages.
    """

    text: str
    page_starts: tuple[int, ...] = ()
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stored piece of a document: `text` is `document_text[start:end]`.

    `heading` is the path of headings above it, joined by " › "; empty at the top.
    `page` counts from 1, and is None for formats without pages.
    """

    ordinal: int
    text: str
    start: int
    end: int
    heading: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved, ranked chunk, with the scores that ranked it.

    `score` is the fused score in [0, 1]; `cosine` and `bm25` are None where
    that list did not return the chunk.
    """

    chunk_id: ChunkId
    document_id: DocumentId
    version: int
    title: str
    text: str
    start: int
    end: int
    heading: str
    page: int | None
    content_hash: str
    score: float
    cosine: float | None = None
    bm25: float | None = None
    metadata: Metadata = field(default_factory=dict[str, "Scalar | Sequence[Scalar]"])
