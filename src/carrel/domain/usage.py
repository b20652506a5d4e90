"""What a request used."""

from dataclasses import dataclass
from datetime import datetime

from carrel.domain.answer import CacheStatus, TokenUsage
from carrel.domain.ids import KeyId, RequestId, TenantId


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One metered request: exactly one event for each request id.

    `unfinished`: the answer failed, its reader left, or its process was killed;
    `usage` is what it had used by then.
    """

    request_id: RequestId
    tenant_id: TenantId
    key_id: KeyId
    at: datetime
    route: str
    model: str
    cache_status: CacheStatus
    usage: TokenUsage
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class UsageBucket:
    """Sums over an hour or a day, from `start` on.

    `group` is the tenant, model or key that they are of; None: all. Requests
    whose cost is unknown are `unpriced`, and add nothing to `cost_micro_usd`.
    """

    start: datetime
    group: str | None
    requests: int
    cache_hits: int
    unfinished: int
    unpriced: int
    prompt_tokens: int
    completion_tokens: int
    embedding_tokens: int
    cost_micro_usd: int
    saved_micro_usd: int
