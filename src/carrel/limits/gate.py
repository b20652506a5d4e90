"""The gate: admits requests, reserves money for them, and settles.

With Redis all replicas share one state. Without it, rates and concurrency hold at this
replica's share, and budgets refuse, unless the tenant's policy is to go on with this
replica's share of what is left. This is the one place that decides between the two.

What is spent, and what is granted and not yet settled, never exceed a budget together,
under any concurrency, cancellation or crash. What can break that: spending more than
was granted (it counts all the same); a replica that cannot reach Redis for longer than a
lease, or while Redis loses its memory; a Redis that starts from an old copy of its
memory, for a second; and the policy "allow".
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from weakref import WeakSet

from carrel.domain.errors import CarrelError
from carrel.domain.ids import RequestId, TenantId
from carrel.domain.tenant import Limits, OnOutage
from carrel.limits import rate
from carrel.limits.books import RECOVERY_SECONDS, Ledger
from carrel.limits.handles import Admission, Budget, Reservation
from carrel.limits.memory import MemoryMeter
from carrel.limits.meter import Account, Ceiling, Finish, Lease, Meter, Scope, Verdict
from carrel.limits.money import Money, Wish
from carrel.limits.period import period_of
from carrel.limits.refusal import allowances, rate_limited
from carrel.redis.errors import SharedStateDown
from carrel.redis.replicas import Replicas
from carrel.telemetry import metrics

TICK_SECONDS = 1.0
RENEW_SECONDS = 8.0


class Gate:
    """The gate of one replica; `run` must be running. *ledger* says what was spent.

    *shared* and *replicas*: the state in Redis, and who else uses it; None: one process.
    *renew_seconds* must be well below the meters' lease.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        local: MemoryMeter,
        shared: Meter | None = None,
        replicas: Replicas | None = None,
        renew_seconds: float = RENEW_SECONDS,
        recovery_seconds: float = RECOVERY_SECONDS,
        tick_seconds: float = TICK_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._local = local
        self._shared = shared
        self._replicas = replicas
        self._money = Money(ledger, local, shared, replicas, recovery_seconds=recovery_seconds)
        self._renew_seconds = renew_seconds
        self._tick_seconds = tick_seconds
        self._now = now
        self._admissions: WeakSet[Admission] = WeakSet()
        self._reservations: WeakSet[Reservation] = WeakSet()
        self._ending: set[asyncio.Task[None]] = set()
        self._memory_lost = asyncio.Event()
        self._renewed_at = 0.0
        if replicas:
            replicas.on_new_memory(self._memory_lost.set)

    async def admit(
        self, tenant_id: TenantId, request_id: RequestId, scopes: Sequence[Scope], tokens: int = 0
    ) -> Admission:
        """Charge a request, and an estimate of its *tokens*, to all *scopes*, or to none.

        Raises:
            RateLimited: a scope has no room; nothing was taken.
        """
        limited = tuple(scope for scope in scopes if scope.limits != Limits())
        if not limited:
            return Admission(tenant_id, request_id, (), tokens, None, None, local=True)
        verdict, limited, local = await self._verdict(tenant_id, request_id, limited, tokens)
        if not verdict.admitted:
            error = rate_limited(limited, verdict.loads, tokens)
            metrics.limit_refusals.labels(error.kind).inc()
            raise error
        left = allowances(limited, verdict.loads)
        admission = Admission(
            tenant_id, request_id, limited, tokens, left.requests, left.tokens, local
        )
        self._admissions.add(admission)
        return admission

    async def reserve(
        self,
        tenant_id: TenantId,
        request_id: RequestId,
        budgets: Sequence[Budget],
        wanted: int,
        least: int,
        *,
        on_outage: OnOutage = "refuse",
    ) -> Reservation:
        """Hold *wanted* micro-dollars on all *budgets*, or what is left, but not below *least*.

        Asked again for the same request, the amount is the same.

        Raises:
            BudgetExhausted: a budget has not even *least* left; nothing is held.
            Unavailable: what was spent can't be known now.
        """
        at = self._now()
        ceilings = tuple(
            Ceiling(Account(budget.scope, period_of(budget.period, at)), budget.limit_micro_usd)
            for budget in budgets
        )
        if not ceilings:
            return Reservation(tenant_id, request_id, wanted, (), local=True)
        wish = Wish(tenant_id, request_id, ceilings, wanted, least)
        try:
            amount, local = await self._money.reserve(wish, on_outage)
        except asyncio.CancelledError:
            # Redis may have granted it, or may yet: settled first, it can't be held.
            self._end(Finish(tenant_id, hold=wish.hold))
            raise
        reservation = Reservation(tenant_id, request_id, amount, wish.accounts, local)
        self._reservations.add(reservation)
        return reservation

    async def finish(
        self,
        admission: Admission | None,
        reservation: Reservation | None = None,
        *,
        spent_micro_usd: int = 0,
        tokens: int | None = None,
    ) -> None:
        """Give back what a request holds, and count what it spent and the *tokens* it took.

        The work goes on if the caller is cancelled, and waits for Redis if that is down.
        Either handle may be finished without the other; each once.
        """
        if admission:
            self._admissions.discard(admission)
        if reservation:
            self._reservations.discard(reservation)
        if ending := _ending(admission, reservation, spent_micro_usd, tokens, local=True):
            await self._local.finish(ending)
        if self._shared is None:
            return
        if ending := _ending(admission, reservation, spent_micro_usd, tokens, local=False):
            await asyncio.shield(self._end(ending))

    async def run(self) -> None:
        """Keep leases alive and deliver what Redis could not be told, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._tick_seconds):
                    await self._memory_lost.wait()
            await self._tend()

    async def close(self) -> None:
        """Wait for what is ending."""
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self._money.close()

    async def _verdict(
        self, tenant_id: TenantId, request_id: RequestId, scopes: tuple[Scope, ...], tokens: int
    ) -> tuple[Verdict, tuple[Scope, ...], bool]:
        """The verdict, the scopes as they were applied, and whether by this process alone."""
        if self._shared:
            try:
                verdict = await self._shared.admit(tenant_id, request_id, scopes, tokens)
            except SharedStateDown:
                scopes = self._share(scopes)
                metrics.local_admissions.inc()
            except asyncio.CancelledError:
                # It may have been admitted, and nobody is there to say that it has finished.
                names = tuple(s.name for s in scopes if s.limits.concurrent_requests is not None)
                if names:
                    self._end(Finish(tenant_id, Lease(tenant_id, request_id, names)))
                raise
            else:
                return verdict, scopes, False
        return await self._local.admit(tenant_id, request_id, scopes, tokens), scopes, True

    def _share(self, scopes: Sequence[Scope]) -> tuple[Scope, ...]:
        """The part of each limit that is this replica's when nobody can be asked."""
        replicas = self._replicas.count if self._replicas else 1
        return tuple(
            Scope(
                scope.name,
                Limits(
                    rate.share(scope.limits.requests_per_minute, replicas),
                    rate.share(scope.limits.tokens_per_minute, replicas),
                    rate.share(scope.limits.concurrent_requests, replicas),
                ),
            )
            for scope in scopes
        )

    def _end(self, finish: Finish) -> asyncio.Task[None]:
        """Tell Redis, in a task of its own: nobody's cancellation can stop it half-way."""
        task = asyncio.create_task(self._tell(finish))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def _tell(self, finish: Finish) -> None:
        if self._shared is None:
            return
        try:
            await self._shared.finish(finish)
        except SharedStateDown:
            if finish.hold:
                self._money.undelivered(finish)

    async def _tend(self) -> None:
        lost = self._memory_lost.is_set()
        self._memory_lost.clear()
        await self._money.deliver()
        now = asyncio.get_running_loop().time()
        if not lost and now - self._renewed_at < self._renew_seconds:
            return
        with contextlib.suppress(CarrelError):  # tried again at the next tick
            await self._renew()
            self._renewed_at = now

    async def _renew(self) -> None:
        for meter, local in ((self._local, True), (self._shared, False)):
            if meter is None:
                continue
            held = [r.hold() for r in self._reservations if r.local == local]
            leased = [a.lease() for a in self._admissions if a.local == local]
            await meter.renew([lease for lease in leased if lease], [hold for hold in held if hold])


def _ending(
    admission: Admission | None,
    reservation: Reservation | None,
    spent: int,
    tokens: int | None,
    *,
    local: bool,
) -> Finish | None:
    """What the local or the shared meter is to be told; None: nothing.

    What was spent on a local reservation is told to both: it counts for all replicas.
    """
    lease, changes, hold = None, (), None
    tenant_id = None
    if admission and admission.local == local:
        tenant_id, lease = admission.tenant_id, admission.lease()
        changes = admission.token_changes(admission.charged_tokens if tokens is None else tokens)
    if reservation and (reservation.local or not local):
        tenant_id, hold = reservation.tenant_id, reservation.hold()
    if tenant_id is None or not (lease or changes or hold):
        return None
    return Finish(tenant_id, lease, hold, spent, changes)
