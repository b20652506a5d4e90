"""Tenants: the customers whose data never mix."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from carrel.domain.ids import TenantId

Isolation = Literal["shared", "collection", "dedicated"]
# erasing: gone for everyone but the worker that removes it
TenantStatus = Literal["active", "suspended", "erasing"]


BudgetPeriod = Literal["day", "month"]
OnOutage = Literal["refuse", "allow"]
SemanticCache = Literal["off", "strict", "relaxed"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tenant or a key may use; None: no limit of its own."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None


@dataclass(frozen=True, slots=True)
class Quotas:
    """What a tenant may keep here, and have in the queue; None: no limit of its own.

    `bytes` counts uploaded files; `chunks` what searches can find.
    """

    documents: int | None = None
    bytes: int | None = None
    chunks: int | None = None
    queued_documents: int | None = None
    concurrent_documents: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What a tenant or a key may spend in a period: a day or a calendar month, in UTC.

    *on_outage* says what becomes of a request that costs money while what was
    spent cannot be known.
    """

    micro_usd: int
    period: BudgetPeriod
    on_outage: OnOutage = "refuse"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a limit of so many a minute still allows, and when all of it is there again."""

    limit: int
    remaining: int
    reset_seconds: int


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant as administrators see it.

    `log_content`: its questions and answers are logged. `semantic_cache`: whether an answer is
    given to questions that mean the same, and how the evidence is compared.
    """

    id: TenantId
    name: str
    isolation: Isolation
    server: str | None  # the Qdrant server of its own, by its name in the settings
    embedder: str  # the identity of what made its vectors
    status: TenantStatus
    created_at: datetime
    updated_at: datetime
    limits: Limits = field(default_factory=Limits)
    quotas: Quotas = field(default_factory=Quotas)
    budget: Budget | None = None
    log_content: bool = False
    semantic_cache: SemanticCache = "off"
