"""API keys and the callers they stand for."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from carrel.domain.ids import KeyId, TenantId
from carrel.domain.tenant import Budget, Isolation, Limits, SemanticCache

Scope = Literal["query", "search", "documents:read", "documents:write", "usage:read", "admin"]
TENANT_SCOPES: tuple[Scope, ...] = (
    "query",
    "search",
    "documents:read",
    "documents:write",
    "usage:read",
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as administrators see it: everything but the secret."""

    id: KeyId
    tenant_id: TenantId | None
    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    groups: tuple[str, ...]
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime
    limits: Limits = field(default_factory=Limits)
    budget: Budget | None = None
    # The key that a rotation made in its place.
    replaced_by: KeyId | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and within which limits: the tenant's and the key's own, both of which hold.

    The tenant comes from the credential and from nothing else; None: an admin.
    The key id of a token is its issuer's and subject's: the same for all tokens of one person.
    `log_content`: the tenant wants its questions and answers logged; `semantic_cache`: as it has
    chosen; `isolation`: its tier.
    """

    tenant_id: TenantId | None
    key_id: KeyId
    scopes: frozenset[Scope]
    groups: tuple[str, ...] = ()
    tenant_limits: Limits = field(default_factory=Limits)
    tenant_budget: Budget | None = None
    key_limits: Limits = field(default_factory=Limits)
    key_budget: Budget | None = None
    log_content: bool = False
    semantic_cache: SemanticCache = "off"
    isolation: Isolation = "shared"
