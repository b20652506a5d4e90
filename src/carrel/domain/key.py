"""API keys and the callers they stand for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from carrel.domain.ids import KeyId, TenantId

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


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. The tenant comes from the credential and from nothing else; None: an admin.

    `log_content`: the tenant wants its questions and answers logged.
    """

    tenant_id: TenantId | None
    key_id: KeyId
    scopes: frozenset[Scope]
    groups: tuple[str, ...] = ()
    log_content: bool = False
