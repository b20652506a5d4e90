"""The port to the state behind limits and budgets: in memory, or in Redis.

Each method is one atomic step over all the scopes it is given. What refuses takes
nothing. Money is held and settled once for each request id: a request that was settled
holds nothing any more, and settling again changes nothing, so the two may arrive in
any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from carrel.domain.ids import RequestId, TenantId
from carrel.domain.tenant import Limits
from carrel.limits.period import Period


@dataclass(frozen=True, slots=True)
class Scope:
    """Something with limits: `tenant:ten_x` or `key:key_x`."""

    name: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Load:
    """What is owed on a scope, in units of `rate`, and how many requests it has under way.

    0 where there is no limit.
    """

    requests_debt: int
    tokens_debt: int
    running: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request was admitted, and the load of each scope after that."""

    admitted: bool
    loads: tuple[Load, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """The money of one scope in one period."""

    scope: str
    period: Period


@dataclass(frozen=True, slots=True)
class Ceiling:
    """An account, and what may be spent on it, in micro-dollars."""

    account: Account
    limit: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """What was spent on *accounts* has to be learnt.

    *asked_at_ms* is the meter's time, which `learn` wants back.
    """

    accounts: tuple[Account, ...]
    asked_at_ms: int


@dataclass(frozen=True, slots=True)
class Silent:
    """Too little is left of *accounts*, but they have holds that were not renewed: see `reap`."""

    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True)
class Granted:
    """*amount* micro-dollars are held. *silent*: accounts with holds that were not renewed."""

    amount: int
    silent: tuple[Account, ...] = ()


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Not even the least fits into *account*."""

    account: Account


Answer = Granted | Exhausted | Unknown | Silent


@dataclass(frozen=True, slots=True)
class Learnt:
    """At least *spent* was spent on *account*, says a ledger asked at *asked_at_ms*."""

    account: Account
    spent: int
    asked_at_ms: int


@dataclass(frozen=True, slots=True)
class Audit:
    """At least *spent* was spent on *account*, if the meter knows it.

    *unsettled* are requests, given as (request, held, spent), that are part of it and held
    money when they were looked up: those that still do will be counted when they end.
    """

    account: Account
    spent: int
    unsettled: Sequence[tuple[RequestId, int, int]] = ()


@dataclass(frozen=True, slots=True)
class Lease:
    """A request that counts as running on *scopes*."""

    tenant_id: TenantId
    request_id: RequestId
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """Money held on *accounts* for a request."""

    tenant_id: TenantId
    request_id: RequestId
    accounts: tuple[Account, ...]
    amount: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of a request: its lease and its hold go, and what it really took is counted.

    *token_changes* are (scope, limit, tokens) to add to what was charged at first. *age_ms*:
    how long ago it came to its end, if it could not be told at once.
    """

    tenant_id: TenantId
    lease: Lease | None = None
    hold: Hold | None = None
    spent: int = 0
    token_changes: tuple[tuple[str, int, int], ...] = ()
    age_ms: int = 0


class Meter(Protocol):
    """State of limits and budgets. Everything may raise `SharedStateDown`."""

    async def admit(
        self, tenant_id: TenantId, request_id: RequestId, scopes: Sequence[Scope], tokens: int
    ) -> Verdict:
        """Charge one request and *tokens* to all scopes, and a lease on each, or nothing."""
        ...

    async def reserve(
        self,
        tenant_id: TenantId,
        request_id: RequestId,
        ceilings: Sequence[Ceiling],
        wanted: int,
        least: int,
    ) -> Answer:
        """Hold *wanted*, or what every account has left if that is less, but not below *least*.

        A hold that was not renewed in time counts until it is reaped: who held it is dead,
        and may have spent it.
        Asked again for the same request, the answer is what it holds already.
        """
        ...

    async def learn(self, tenant_id: TenantId, learnt: Learnt) -> None:
        """Take note of what a ledger says of an account that was not known."""
        ...

    async def audit(self, tenant_id: TenantId, audit: Audit) -> None:
        """Raise an account that is known to what a ledger says, if that is more."""
        ...

    async def holds(self, tenant_id: TenantId, account: Account) -> dict[RequestId, int]:
        """What is held on *account*: micro-dollars by request."""
        ...

    async def silent(self, tenant_id: TenantId, account: Account) -> dict[RequestId, int]:
        """The holds on *account* that were not renewed in time: micro-dollars by request."""
        ...

    async def reap(
        self, tenant_id: TenantId, account: Account, dead: Sequence[tuple[RequestId, int, int]]
    ) -> None:
        """End holds, given as (request, held, spent), unless they were renewed meanwhile."""
        ...

    async def renew(self, leases: Sequence[Lease], holds: Sequence[Hold]) -> None:
        """A sign of life: leases and holds go on, and those that were lost are put back."""
        ...

    async def finish(self, finish: Finish) -> None:
        """End a request. What it spent counts even if its hold has lapsed."""
        ...
