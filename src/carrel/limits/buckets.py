"""Rates and running requests of one process, by scope.

Bounded: what is owed drains within minutes, and a scope that owes nothing and runs
nothing is forgotten as others come.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from carrel.domain.ids import RequestId
from carrel.domain.tenant import Limits
from carrel.limits import rate
from carrel.limits.meter import Load, Scope, Verdict


@dataclass(slots=True)
class _Debt:
    at_ms: int = 0
    amount: int = 0
    gone_ms: int = 0  # when nothing will be owed any more

    def now(self, limit: int, now_ms: int) -> int:
        return rate.drained(self.amount, limit, now_ms - self.at_ms)

    def set(self, amount: int, limit: int, now_ms: int) -> None:
        self.at_ms, self.amount = now_ms, amount
        self.gone_ms = now_ms + (amount // limit + 1 if limit else 0)


@dataclass(slots=True)
class _Bucket:
    requests: _Debt = field(default_factory=_Debt)
    tokens: _Debt = field(default_factory=_Debt)
    running: dict[RequestId, int] = field(default_factory=dict[RequestId, int])  # until when

    def charge(self, limits: Limits, load: Load, tokens: int, now_ms: int) -> Load:
        """The load after one more request with *tokens*, to what was *load* before it."""
        requests_debt = tokens_debt = 0
        if (limit := limits.requests_per_minute) is not None:
            requests_debt = rate.charged(load.requests_debt, 1)
            self.requests.set(requests_debt, limit, now_ms)
        if (limit := limits.tokens_per_minute) is not None:
            tokens_debt = rate.charged(load.tokens_debt, tokens)
            self.tokens.set(tokens_debt, limit, now_ms)
        running = len(self.running) if limits.concurrent_requests is not None else 0
        return Load(requests_debt, tokens_debt, running)

    def drop_lapsed(self, now_ms: int) -> None:
        # A renewal moves a lease to the end: the first ones lapse first.
        while self.running and next(iter(self.running.values())) <= now_ms:
            del self.running[next(iter(self.running))]

    def is_idle(self, now_ms: int) -> bool:
        self.drop_lapsed(now_ms)
        gone_ms = max(self.requests.gone_ms, self.tokens.gone_ms)
        return not self.running and gone_ms <= now_ms


class Buckets:
    """Debts and leases by scope. All times are milliseconds of the caller's clock."""

    def __init__(self, lease_ms: int) -> None:
        self._lease_ms = lease_ms
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def admit(
        self, request_id: RequestId, scopes: Sequence[Scope], tokens: int, now_ms: int
    ) -> Verdict:
        """Charge all *scopes*, or none."""
        loads = [_load(scope, self._bucket(scope.name), now_ms) for scope in scopes]
        admitted = all(map(_fits, scopes, loads, [tokens] * len(loads)))
        if admitted:
            for i, scope in enumerate(scopes):
                bucket = self._bucket(scope.name)
                if scope.limits.concurrent_requests is not None:
                    bucket.running[request_id] = now_ms + self._lease_ms
                loads[i] = bucket.charge(scope.limits, loads[i], tokens, now_ms)
        # Only now: one that was just made, and not yet charged, is idle, too.
        self._forget_idle(len(scopes), now_ms)
        return Verdict(admitted, tuple(loads))

    def renew(self, scope: str, request_id: RequestId, now_ms: int) -> None:
        running = self._bucket(scope).running
        running.pop(request_id, None)
        running[request_id] = now_ms + self._lease_ms

    def release(self, scope: str, request_id: RequestId) -> None:
        if bucket := self._buckets.get(scope):
            bucket.running.pop(request_id, None)

    def add_tokens(self, scope: str, limit: int, change: int, now_ms: int) -> None:
        """Correct what was charged by *change* tokens."""
        debt = self._bucket(scope).tokens
        debt.set(rate.charged(debt.now(limit, now_ms), change), limit, now_ms)

    def _forget_idle(self, scopes: int, now_ms: int) -> None:
        """Forget twice as many as may have come, the longest unused first: so they run out."""
        for _ in range(2 * scopes):
            if not self._buckets or not next(iter(self._buckets.values())).is_idle(now_ms):
                return
            self._buckets.popitem(last=False)

    def _bucket(self, scope: str) -> _Bucket:
        if bucket := self._buckets.get(scope):
            self._buckets.move_to_end(scope)
            return bucket
        bucket = self._buckets[scope] = _Bucket()
        return bucket


def _load(scope: Scope, bucket: _Bucket, now_ms: int) -> Load:
    limits = scope.limits
    bucket.drop_lapsed(now_ms)
    return Load(
        bucket.requests.now(limits.requests_per_minute, now_ms)
        if limits.requests_per_minute is not None
        else 0,
        bucket.tokens.now(limits.tokens_per_minute, now_ms)
        if limits.tokens_per_minute is not None
        else 0,
        len(bucket.running) if limits.concurrent_requests is not None else 0,
    )


def _fits(scope: Scope, load: Load, tokens: int) -> bool:
    limits = scope.limits
    if (limit := limits.requests_per_minute) is not None and not rate.fits(
        load.requests_debt, limit, 1
    ):
        return False
    if (limit := limits.tokens_per_minute) is not None and not rate.fits(
        load.tokens_debt, limit, tokens
    ):
        return False
    slots = limits.concurrent_requests
    return slots is None or load.running < slots
