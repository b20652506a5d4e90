"""Where money is reserved: in Redis, or, while that is down, where the policy says.

An outage of Redis refuses, because nobody knows what the others spend. A tenant whose
policy is "allow" goes on with one replica's share of what the ledger says is left.
"""

from collections.abc import Callable
from dataclasses import dataclass

from carrel.domain.errors import BudgetExhausted, Unavailable
from carrel.domain.ids import RequestId, TenantId
from carrel.domain.tenant import OnOutage
from carrel.limits.books import Books, Ledger, Recovering
from carrel.limits.memory import MemoryMeter
from carrel.limits.meter import Account, Ceiling, Exhausted, Finish, Hold, Meter, Silent, Unknown
from carrel.limits.undelivered import Undelivered
from carrel.redis.errors import SharedStateDown
from carrel.redis.replicas import Replicas
from carrel.telemetry import metrics

# The holds of a replica that died fall silent one after the other, each in its own moment.
ATTEMPTS = 20
RETRY_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for, in micro-dollars."""

    tenant_id: TenantId
    request_id: RequestId
    ceilings: tuple[Ceiling, ...]
    wanted: int
    least: int

    @property
    def accounts(self) -> tuple[Account, ...]:
        return tuple(ceiling.account for ceiling in self.ceilings)

    @property
    def hold(self) -> Hold:
        """What it may hold, when nobody knows how much."""
        return Hold(self.tenant_id, self.request_id, self.accounts, 0)


class Money:
    """The money side of the gate; its arguments are the gate's."""

    def __init__(
        self,
        ledger: Ledger,
        local: MemoryMeter,
        shared: Meter | None,
        replicas: Replicas | None,
        *,
        recovery_seconds: float,
    ) -> None:
        self._local = local
        self._local_books = Books(local, ledger)
        self._shared = shared
        self._replicas = replicas
        self._local_is_stale = False
        if shared:
            self._books = Books(shared, ledger, replicas, recovery_seconds=recovery_seconds)
            self._undelivered = Undelivered(shared)

    async def reserve(self, wish: Wish, on_outage: OnOutage) -> tuple[int, bool]:
        """The micro-dollars granted, and whether they are held in this process alone.

        Raises:
            BudgetExhausted, Unavailable: nothing is held.
        """
        try:
            amount, local = await self._reserved(wish, on_outage)
        except BudgetExhausted:
            metrics.budget_reservations.labels("refused").inc()
            raise
        except Unavailable:
            metrics.budget_reservations.labels("unknown").inc()
            raise
        metrics.budget_reservations.labels("whole" if amount >= wish.wanted else "shortened").inc()
        return amount, local

    async def _reserved(self, wish: Wish, on_outage: OnOutage) -> tuple[int, bool]:
        if self._shared is None:
            return await _granted(self._local, self._local_books, wish), True
        try:
            amount = await _granted(self._shared, self._books, wish)
        except (SharedStateDown, Recovering) as outage:
            if on_outage == "refuse":
                if isinstance(outage, SharedStateDown) and outage.sent:
                    # It may have been granted: nothing of it is to be held for a whole lease.
                    self.undelivered(Finish(wish.tenant_id, hold=wish.hold))
                raise Unavailable(
                    "the spending limit can't be checked now; try again shortly",
                    retry_after_seconds=max(RETRY_SECONDS, outage.retry_after_seconds),
                ) from outage
        else:
            if self._local_is_stale:  # the next outage begins with what was spent by then
                self._local.forget_money()
                self._local_is_stale = False
            return amount, False
        self._local_is_stale = True
        return await _granted(self._local, self._local_books, wish, self._share(wish)), True

    def undelivered(self, finish: Finish) -> None:
        """Tell Redis of *finish* when it is back."""
        self._undelivered.keep(finish)

    async def deliver(self) -> None:
        if self._shared and self._undelivered:
            await self._undelivered.deliver()

    async def close(self) -> None:
        await self.deliver()
        await self._local_books.close()
        if self._shared:
            await self._books.close()

    def _share(self, wish: Wish) -> Callable[[Account, int], int]:
        """Counts the other replicas' shares of what is left as spent."""
        limits = {ceiling.account: ceiling.limit for ceiling in wish.ceilings}
        replicas = self._replicas.count if self._replicas else 1

        def counted(account: Account, spent: int) -> int:
            left = max(0, limits[account] - spent)
            return spent + left - left // replicas

        return counted


def _as_it_is(_: Account, spent: int) -> int:
    return spent


async def _granted(
    meter: Meter, books: Books, wish: Wish, counted: Callable[[Account, int], int] = _as_it_is
) -> int:
    """What *meter* grants, once it knows the accounts. *counted*: what a ledger's sum counts as."""
    for _ in range(ATTEMPTS):
        answer = await meter.reserve(
            wish.tenant_id, wish.request_id, wish.ceilings, wish.wanted, wish.least
        )
        if isinstance(answer, Unknown):
            await books.learn(wish.tenant_id, answer, counted)
        elif isinstance(answer, Silent):
            await books.reap(wish.tenant_id, answer.accounts)
        elif isinstance(answer, Exhausted):
            raise _exhausted(answer.account)
        else:
            books.look_after(wish.tenant_id, wish.accounts, answer.silent)
            return answer.amount
    raise Unavailable("what was spent can't be learnt now; try again shortly")


def _exhausted(account: Account) -> BudgetExhausted:
    metrics.limit_refusals.labels("budget").inc()
    end = account.period.end
    return BudgetExhausted(
        f"the {account.scope.partition(':')[0]}'s budget is spent until {end:%Y-%m-%d %H:%M} UTC",
        scope=account.scope,
        period_end=end,
    )
