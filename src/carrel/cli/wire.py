"""The HTTP contract's bodies, typed: what `docs/http-api.md` says, and no more.

Fields that a newer server adds are ignored; one that is missing or of another
type is a decoding error, so nothing half-understood reaches the screen.
"""

from datetime import datetime
from typing import Any, Generic, Literal, TypedDict, TypeVar

from msgspec import Struct, field

Item = TypeVar("Item")
Metadata = dict[str, Any]


class QueryOptions(TypedDict, total=False):
    """What a question may come with."""

    top_k: int
    filter: dict[str, Any]
    model: str
    max_tokens: int
    cache: Literal["use", "bypass", "refresh"]


class KeyOptions(TypedDict, total=False):
    """What a new key may come with; without `scopes` it may do all that a tenant may."""

    name: str
    scopes: list[str]
    expires_at: str
    groups: list[str]
    limits: dict[str, int | None]
    budget: dict[str, str] | None


class TenantOptions(TypedDict, total=False):
    """What of a tenant may be set."""

    name: str
    status: str
    limits: dict[str, int | None]
    budget: dict[str, str] | None


class Limits(Struct, frozen=True):
    """Limits of a tenant or a key; None: none set."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None
    documents: int | None = None
    bytes: int | None = None
    chunks: int | None = None
    queued_documents: int | None = None
    concurrent_documents: int | None = None


class Budget(Struct, frozen=True):
    """A spending limit: a decimal string of US dollars per period."""

    usd: str | float | None = None
    period: str | None = None
    on_outage: str | None = None


class Tenant(Struct, frozen=True):
    """A customer whose documents, keys and money are apart from all others'."""

    id: str
    name: str
    isolation: str = "shared"
    server: str | None = None
    embedder: str = ""
    status: str = "active"
    limits: Limits | None = None
    budget: Budget | None = None


class Move(Struct, frozen=True):
    """A tenant's move to another isolation tier."""

    id: str
    isolation: str
    status: str
    progress: float = 0.0
    server: str | None = None
    report: dict[str, Any] = field(default_factory=dict[str, Any])
    error: str | None = None


class Embedder(Struct, frozen=True):
    """The embedder that the server's settings name; `tenants_left` have vectors of another."""

    identity: str
    tenants_left: int = 0


class Chunking(Struct, frozen=True):
    """How many documents were cut otherwise than the settings say, and what comes of them."""

    chunking: str
    left: int
    waiting: int
    failed: int
    queued: int = 0


class Erasure(Struct, frozen=True):
    """What was erased: how many things there were, and how many a sweep found afterwards."""

    id: str
    tenant_id: str
    status: str
    created_at: str
    updated_at: str
    document_id: str | None = None
    found: dict[str, int] = field(default_factory=dict[str, int])
    left: dict[str, int] = field(default_factory=dict[str, int])


class Key(Struct, frozen=True):
    """A tenant's API key, without its secret."""

    id: str
    name: str = ""
    prefix: str = ""
    scopes: list[str] = field(default_factory=list[str])
    groups: list[str] = field(default_factory=list[str])
    expires_at: str | None = None
    last_used_at: str | None = None
    created_at: str | None = None
    limits: Limits | None = None
    budget: Budget | None = None
    replaced_by: str | None = None


class NewKey(Key, frozen=True):
    """A key just made, with the secret that is never shown again."""

    secret: str = ""


class AuditEntry(Struct, frozen=True):
    """What an administrator did."""

    id: str
    at: str
    actor: str
    action: str
    target: str
    tenant_id: str | None = None
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    request_id: str | None = None


class Document(Struct, frozen=True):
    """A document, as its newest version stands."""

    id: str
    status: str
    title: str = ""
    media_type: str = ""
    bytes: int = 0
    chunks: int = 0
    version: int = 1
    error: str | None = None
    progress: float = 0.0
    created_at: str | None = None
    updated_at: str | None = None
    metadata: Metadata = field(default_factory=dict[str, Any])

    @property
    def settled(self) -> bool:
        """Whether the server is done with it, for better or worse."""
        return self.status in {"ready", "failed"}


class Source(Struct, frozen=True):
    """A passage that an answer was written from."""

    chunk_id: str
    document_id: str
    title: str
    text: str
    score: float
    page: int | None = None
    metadata: Metadata = field(default_factory=dict[str, Any])


class Citation(Struct, frozen=True):
    """A mark `[index]` in an answer and the words of a document behind it."""

    index: int
    chunk_id: str
    document_id: str
    title: str
    page: int | None = None
    heading: str | None = None
    start: int = 0
    end: int = 0
    quote: str = ""


class Cache(Struct, frozen=True):
    """Whether an answer was written now (`miss`), or served from where."""

    status: str = "miss"
    age_seconds: float | None = None
    similarity: float | None = None


class Usage(Struct, frozen=True):
    """Tokens, and US dollars as decimal strings (None: the model's price is unknown)."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    embedding_tokens: int = 0
    cost_usd: str | None = None
    saved_usd: str | None = None


class UsageBucket(Struct, frozen=True):
    """Sums over one day of one tenant (None: the report is of one tenant anyway)."""

    start: datetime
    requests: int
    cache_hits: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: str
    saved_usd: str
    tenant_id: str | None = None
    unfinished: int = 0
    unpriced: int = 0
    embedding_tokens: int = 0


class UsageReport(Struct, frozen=True):
    """What was used, by day."""

    data: list[UsageBucket]


class Answer(Struct, frozen=True):
    """A finished answer."""

    id: str
    answer: str
    model: str
    finish_reason: str
    citations: list[Citation]
    sources: list[Source]
    cache: Cache
    usage: Usage


class Page(Struct, Generic[Item], frozen=True):
    """One page of a list; `last_id` is where the next one starts."""

    data: list[Item]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False


class Hits(Struct, frozen=True):
    """What a search found, best first."""

    hits: list[Source]


class Sources(Struct, frozen=True):
    """A stream's first event: the passages that the answer will be written from."""

    sources: list[Source]


class Delta(Struct, frozen=True):
    """A stream's next piece of the answer."""

    text: str


class Cut(Struct, frozen=True):
    """The stream was lost here; it is read on. Made by the client: no server sends it."""


class ErrorDetail(Struct, frozen=True):
    """The server's error, in OpenAI's shape."""

    message: str
    code: str | None = None
    type: str | None = None
    param: str | None = None
    request_id: str | None = None


class ErrorBody(Struct, frozen=True):
    """The one shape of every error."""

    error: ErrorDetail
    resume: dict[str, Any] | None = None  # where it is the end of a stream that goes on elsewhere
