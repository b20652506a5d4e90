"""What responses look like, for the OpenAPI document and the clients made from it.

Routes build their JSON by hand, which is faster than to validate what we wrote
ourselves; a test holds the two against each other.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from carrel.domain.answer import CacheStatus, FinishReason
from carrel.domain.document import DocumentStatus


class Shape(BaseModel):
    """Part of a response; every field is always there."""

    model_config = ConfigDict(extra="forbid")


class Source(Shape):
    """A passage that an answer may cite."""

    chunk_id: str
    document_id: str
    title: str
    text: str
    score: float
    page: int | None
    heading: str
    start: int
    end: int
    metadata: dict[str, Any]


class Citation(Shape):
    """A mark `[index]`, tied to characters of a document; `index` counts sources from 1."""

    index: int
    chunk_id: str
    document_id: str
    title: str
    page: int | None
    heading: str
    start: int
    end: int
    quote: str


class Cache(Shape):
    """Whether an answer came from a cache."""

    status: CacheStatus
    age_seconds: float | None
    similarity: float | None


class AnswerUsage(Shape):
    """What an answer took; money in US dollars, null where a price is not known."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    embedding_tokens: int
    cost_usd: str | None
    saved_usd: str


class Answer(Shape):
    """A finished answer."""

    id: str
    answer: str
    model: str
    finish_reason: FinishReason
    citations: list[Citation]
    sources: list[Source]
    cache: Cache
    usage: AnswerUsage
    timings_ms: dict[str, float]


class Hits(Shape):
    """Passages, best first."""

    hits: list[Source]


class Document(Shape):
    """A document, in the state of its newest version."""

    id: str
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
    metadata: dict[str, Any]
    groups: list[str]


class Page(Shape):
    """Some of a list; `last_id` goes into the next request's `after`."""

    first_id: str | None
    last_id: str | None
    has_more: bool


class DocumentPage(Page):
    """Some documents."""

    data: list[Document]


class Chunk(Shape):
    """A piece of a document: its text from character `start` to `end`."""

    id: str
    ordinal: int
    text: str
    start: int
    end: int
    heading: str
    page: int | None


class ChunkPage(Shape):
    """Some chunks of a document's live version, in their order."""

    version: int
    data: list[Chunk]
    has_more: bool


class UsageRow(Shape):
    """What was used in an hour or a day; grouped reports name the group, too."""

    start: datetime
    tenant_id: str | None = None
    model: str | None = None
    key_id: str | None = None
    requests: int
    cache_hits: int
    unfinished: int
    unpriced: int
    prompt_tokens: int
    completion_tokens: int
    embedding_tokens: int
    cost_usd: str
    saved_usd: str


class UsageReport(Shape):
    """Usage by hour or day; buckets without requests are left out."""

    data: list[UsageRow]


class Readiness(Shape):
    """Whether the server accepts work, and what is missing."""

    status: Literal["ready", "not ready"]
    faults: dict[str, str]
