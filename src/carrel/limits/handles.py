"""What a request holds at the gate, until it is finished.

Whoever holds one must hand it to `Gate.finish`. One that is dropped instead is
no longer renewed, and lapses with its lease.
"""

from dataclasses import dataclass

from carrel.domain.ids import RequestId, TenantId
from carrel.domain.tenant import Allowance
from carrel.limits.meter import Account, Hold, Lease, Scope
from carrel.limits.period import PeriodName


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Admission:
    """A request that may go on. *requests* and *tokens* are for the response's headers.

    *charged_tokens* is the estimate; *local*: Redis was down, and a share of the limits applied.
    """

    tenant_id: TenantId
    request_id: RequestId
    scopes: tuple[Scope, ...]
    charged_tokens: int
    requests: Allowance | None
    tokens: Allowance | None
    local: bool

    def lease(self) -> Lease | None:
        """What has to be renewed; None: no scope counts running requests."""
        counted = tuple(s.name for s in self.scopes if s.limits.concurrent_requests is not None)
        return Lease(self.tenant_id, self.request_id, counted) if counted else None

    def token_changes(self, tokens: int) -> tuple[tuple[str, int, int], ...]:
        """What to add so that *tokens* are charged."""
        change = tokens - self.charged_tokens
        return tuple(
            (scope.name, limit, change)
            for scope in self.scopes
            if change and (limit := scope.limits.tokens_per_minute) is not None
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """What `tenant:ten_x` or `key:key_x` may spend in each day or month, in micro-dollars."""

    scope: str
    limit_micro_usd: int
    period: PeriodName


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Reservation:
    """Up to *amount_micro_usd* may be spent. *local*: Redis was down, and the policy allowed it."""

    tenant_id: TenantId
    request_id: RequestId
    amount_micro_usd: int
    accounts: tuple[Account, ...]
    local: bool

    def hold(self) -> Hold | None:
        """What has to be renewed; None: there is no budget."""
        if not self.accounts:
            return None
        return Hold(self.tenant_id, self.request_id, self.accounts, self.amount_micro_usd)
