"""What responses look like, for the OpenAPI document and the clients made from it.

Routes build their JSON by hand, which is faster than to validate what we wrote
ourselves; a test holds the two against each other.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from carrel.domain.answer import CacheStatus, FinishReason
from carrel.domain.document import DocumentStatus
from carrel.domain.key import Scope
from carrel.domain.tenant import BudgetPeriod, Isolation, OnOutage
from carrel.erasure.reports import ErasureStatus
from carrel.placement.moves import MoveStatus


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


class Limits(Shape):
    """Limits of a tenant or a key; null: none."""

    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent_requests: int | None


class Budget(Shape):
    """What may be spent in a period."""

    usd: str
    period: BudgetPeriod
    on_outage: OnOutage


class Tenant(Shape):
    """A tenant."""

    id: str
    name: str
    isolation: Isolation
    server: str | None
    embedder: str
    limits: Limits
    budget: Budget | None
    status: Literal["active", "suspended", "erasing"]
    log_content: bool
    created_at: datetime
    updated_at: datetime


class TenantList(Shape):
    """All tenants."""

    data: list[Tenant]


class Key(Shape):
    """A key, without its secret."""

    id: str
    tenant_id: str | None
    name: str
    prefix: str
    scopes: list[Scope]
    groups: list[str]
    limits: Limits
    budget: Budget | None
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime
    replaced_by: str | None


class NewKey(Key):
    """A key just made; the secret is shown this once."""

    secret: str


class KeyList(Shape):
    """The keys of a tenant."""

    data: list[Key]


class Move(Shape):
    """A tenant's move to another tier or embedder."""

    id: str
    tenant_id: str
    isolation: Isolation
    server: str | None
    embedder: str
    status: MoveStatus
    progress: float
    report: dict[str, Any]
    error: str | None
    created_at: datetime
    updated_at: datetime


class MoveList(Shape):
    """A tenant's moves, newest first."""

    data: list[Move]


class Erasure(Shape):
    """What was erased, and what a sweep found of it afterwards."""

    id: str
    tenant_id: str
    document_id: str | None
    status: ErasureStatus
    found: dict[str, int]
    left: dict[str, int]
    created_at: datetime
    updated_at: datetime


class ErasurePage(Page):
    """Some reports of erasures, newest first."""

    data: list[Erasure]


class AuditEntry(Shape):
    """What an administrator did."""

    id: str
    at: datetime
    actor: str
    action: str
    target: str
    tenant_id: str | None
    details: dict[str, Any]
    request_id: str | None


class AuditPage(Page):
    """Some entries of the audit log, newest first."""

    data: list[AuditEntry]


class Embedder(Shape):
    """The embedder, and how many tenants' vectors are of which."""

    identity: str
    tenants: dict[str, int]
    tenants_left: int


class Readiness(Shape):
    """Whether the server accepts work, and what is missing."""

    status: Literal["ready", "not ready"]
    faults: dict[str, str]
