"""What administrators' responses look like, for the OpenAPI document; see `carrel.api.shapes`."""

from datetime import datetime
from typing import Any, Literal

from carrel.api.shapes import Page, Shape
from carrel.domain.key import Scope
from carrel.domain.tenant import BudgetPeriod, Isolation, OnOutage, SemanticCache
from carrel.erasure.reports import ErasureStatus
from carrel.placement.moves import MoveStatus


class Limits(Shape):
    """Limits of a tenant or a key; null: none."""

    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent_requests: int | None


class TenantLimits(Limits):
    """Limits of a tenant, and those of its quotas that are set."""

    documents: int | None = None
    bytes: int | None = None
    chunks: int | None = None
    queued_documents: int | None = None
    concurrent_documents: int | None = None


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
    limits: TenantLimits
    budget: Budget | None
    status: Literal["active", "suspended", "erasing"]
    log_content: bool
    semantic_cache: SemanticCache
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


class DeadJob(Shape):
    """A job that was given up: what was to be done, how often it was tried, and the reason."""

    id: str
    kind: str
    tenant_id: str
    document_id: str
    version: int
    attempts: int
    reason: str
    created_at: datetime
    died_at: datetime


class DeadJobPage(Shape):
    """Some of the jobs that were given up, newest first."""

    data: list[DeadJob]
    has_more: bool


class Failure(Shape):
    """A request that failed by no fault of its own."""

    at: datetime
    request_id: str
    method: str
    route: str
    status: int
    error: str | None
    tenant_id: str | None
    ms: float


class FailureList(Shape):
    """Such requests, newest first."""

    data: list[Failure]


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


class Replica(Shape):
    """An API process; what it is and since when, unless it tells nothing of itself."""

    id: str
    host: str | None
    pid: int | None
    version: str | None
    started_at: datetime | None
    answers_this: bool


class ReplicaList(Shape):
    """The API processes that share a Redis, or this one alone."""

    data: list[Replica]


class Chunking(Shape):
    """How many documents' chunks were cut otherwise than by *chunking*, and what comes of them."""

    chunking: str
    left: int
    waiting: int
    failed: int


class Recut(Chunking):
    """As it is after so many documents were queued."""

    queued: int


class Embedder(Shape):
    """The embedder, and how many tenants' vectors are of which."""

    identity: str
    tenants: dict[str, int]
    tenants_left: int
