"""Limits and budgets in this process's memory: for one process, or while Redis is down.

A step has no `await` in it, so nothing else runs meanwhile: that makes it atomic.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from carrel.domain.ids import RequestId, TenantId
from carrel.limits.accounts import Accounts
from carrel.limits.buckets import Buckets
from carrel.limits.meter import (
    Account,
    Answer,
    Audit,
    Ceiling,
    Finish,
    Granted,
    Hold,
    Learnt,
    Lease,
    Scope,
    Verdict,
)

LEASE_SECONDS = 25.0
REMEMBERED_MS = 300_000


class MemoryMeter:
    """A `Meter` of one process. *clock_ms* is any clock that never goes back."""

    def __init__(
        self,
        *,
        lease_seconds: float = LEASE_SECONDS,
        clock_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
    ) -> None:
        self._clock_ms = clock_ms
        self._lease_ms = int(lease_seconds * 1000)
        self._buckets = Buckets(self._lease_ms)
        self._accounts = Accounts(self._lease_ms)
        self._granted: OrderedDict[RequestId, tuple[int, int]] = OrderedDict()
        self._settled: OrderedDict[RequestId, int] = OrderedDict()

    def __len__(self) -> int:
        """How many scopes and accounts are remembered."""
        return len(self._buckets) + len(self._accounts)

    def forget_money(self) -> None:
        """Make all accounts unknown: others have spent on them meanwhile."""
        self._accounts = Accounts(self._lease_ms)

    async def admit(
        self,
        tenant_id: TenantId,
        request_id: RequestId,
        scopes: Sequence[Scope],
        tokens: int,
    ) -> Verdict:
        return self._buckets.admit(request_id, scopes, tokens, self._now())

    async def reserve(
        self,
        tenant_id: TenantId,
        request_id: RequestId,
        ceilings: Sequence[Ceiling],
        wanted: int,
        least: int,
    ) -> Answer:
        now_ms = self._now()
        if request_id in self._settled:
            raise ValueError(f"request {request_id} has finished")
        if request_id in self._granted:
            return Granted(self._granted[request_id][0])
        answer = self._accounts.reserve(request_id, ceilings, wanted, least, now_ms)
        if isinstance(answer, Granted):
            self._granted[request_id] = answer.amount, now_ms
        return answer

    async def learn(self, tenant_id: TenantId, learnt: Learnt) -> None:
        self._accounts.learn(learnt, datetime.now(UTC))

    async def audit(self, tenant_id: TenantId, audit: Audit) -> None:
        self._accounts.audit(audit)

    async def holds(self, tenant_id: TenantId, account: Account) -> dict[RequestId, int]:
        return self._accounts.holds(account)

    async def silent(self, tenant_id: TenantId, account: Account) -> dict[RequestId, int]:
        return self._accounts.silent(account, self._now())

    async def reap(
        self, tenant_id: TenantId, account: Account, dead: Sequence[tuple[RequestId, int, int]]
    ) -> None:
        self._accounts.reap(account, dead, self._now())

    async def renew(self, leases: Sequence[Lease], holds: Sequence[Hold]) -> None:
        now_ms = self._now()
        for lease in leases:
            for scope in lease.scopes:
                self._buckets.renew(scope, lease.request_id, now_ms)
        for hold in holds:
            if hold.request_id not in self._settled:
                self._accounts.renew(hold, now_ms)
                self._granted[hold.request_id] = hold.amount, now_ms
                self._granted.move_to_end(hold.request_id)

    async def finish(self, finish: Finish) -> None:
        now_ms = self._now()
        if lease := finish.lease:
            for scope in lease.scopes:
                self._buckets.release(scope, lease.request_id)
        for scope, limit, change in finish.token_changes:
            self._buckets.add_tokens(scope, limit, change, now_ms)
        hold = finish.hold
        if hold and hold.request_id not in self._settled:
            self._settled[hold.request_id] = now_ms
            self._granted.pop(hold.request_id, None)
            self._accounts.settle(hold, finish.spent)

    def _now(self) -> int:
        """The time; requests that ended, or fell silent, long ago are forgotten."""
        now_ms = self._clock_ms()
        while self._settled and next(iter(self._settled.values())) + REMEMBERED_MS < now_ms:
            self._settled.popitem(last=False)
        while self._granted and next(iter(self._granted.values()))[1] + REMEMBERED_MS < now_ms:
            self._granted.popitem(last=False)
        return now_ms
