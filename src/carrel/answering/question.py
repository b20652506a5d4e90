"""A question as the pipeline takes it."""

from collections.abc import Sequence
from dataclasses import dataclass

from carrel.domain.answer import CacheUse, Message
from carrel.domain.filter import Filter
from carrel.domain.ids import KeyId, RequestId, TenantId
from carrel.domain.tenant import Isolation, SemanticCache
from carrel.limits.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Question:
    """A question of one tenant, with what the caller asked for."""

    tenant_id: TenantId
    key_id: KeyId
    request_id: RequestId
    route: str
    text: str
    top_k: int
    max_tokens: int
    model: str | None = None  # one of those offered; None: any
    where: Filter = ()
    history: Sequence[Message] = ()
    groups: tuple[str, ...] = ()
    cache: CacheUse = "use"
    semantic_cache: SemanticCache = "off"
    isolation: Isolation = "shared"  # the tenant's tier, for metrics
    ticket: Ticket | None = None  # without one there are no limits and no budgets
    resumable: bool = False  # its events are kept for a while
    detached: bool = False  # it is written to its end though nobody reads it

    @property
    def has_budget(self) -> bool:
        """Whether what costs money has to be reserved."""
        return self.ticket is not None and self.ticket.has_budget
