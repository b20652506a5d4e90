"""Tenants: the customers whose data never mix."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from carrel.domain.ids import TenantId

Isolation = Literal["shared", "collection", "dedicated"]
TenantStatus = Literal["active", "suspended"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tenant may use; None: no limit of its own."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant as administrators see it. `log_content`: its questions and answers are logged."""

    id: TenantId
    name: str
    isolation: Isolation
    status: TenantStatus
    created_at: datetime
    updated_at: datetime
    limits: Limits = field(default_factory=Limits)
    log_content: bool = False
