"""Money of one process: what was spent and what is held, by account.

What is held counts as spent until it is settled, or has lapsed and the ledger was
asked. An account is kept for an hour after its period.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carrel.domain.ids import RequestId
from carrel.limits.meter import Account, Ceiling, Exhausted, Granted, Hold, Learnt, Unknown

KEPT_AFTER_PERIOD = timedelta(hours=1)


@dataclass(slots=True)
class _Money:
    spent: int
    held: int = 0
    holds: dict[RequestId, tuple[int, int]] = field(  # amount, until when
        default_factory=dict[RequestId, tuple[int, int]]
    )

    def hold(self, request_id: RequestId, amount: int, until_ms: int) -> None:
        self.release(request_id)
        self.holds[request_id] = amount, until_ms
        self.held += amount

    def release(self, request_id: RequestId) -> None:
        amount, _ = self.holds.pop(request_id, (0, 0))
        self.held -= amount

    def lapsed(self, now_ms: int) -> bool:
        """Whether some hold's time is over."""
        # A renewal moves a hold to the end: the first ones lapse first.
        return bool(self.holds) and next(iter(self.holds.values()))[1] <= now_ms

    def drop_lapsed(self, now_ms: int) -> None:
        while self.lapsed(now_ms):
            self.release(next(iter(self.holds)))


class Accounts:
    """Accounts by scope and period. Times are milliseconds of the caller's clock."""

    def __init__(self, lease_ms: int) -> None:
        self._lease_ms = lease_ms
        self._money: OrderedDict[Account, _Money] = OrderedDict()

    def __len__(self) -> int:
        return len(self._money)

    def reserve(
        self,
        request_id: RequestId,
        ceilings: Sequence[Ceiling],
        wanted: int,
        least: int,
        now_ms: int,
    ) -> Granted | Exhausted | Unknown:
        stale: list[Account] = []
        unknown: list[Account] = []
        amount, tightest = wanted, ceilings[0].account
        for each in ceilings:
            money = self._money.get(each.account)
            left = each.limit - money.spent - money.held if money else 0
            lapsed = money is not None and money.lapsed(now_ms)
            if lapsed:
                stale.append(each.account)
            if money is None or (lapsed and left < least):
                unknown.append(each.account)
            elif left < amount:
                amount, tightest = left, each.account
        if unknown:
            return Unknown(tuple(unknown), now_ms)
        if amount < least:
            return Exhausted(tightest)
        for each in ceilings:
            self._money[each.account].hold(request_id, amount, now_ms + self._lease_ms)
        return Granted(amount, Unknown(tuple(stale), now_ms) if stale else None)

    def learn(self, learnt: Learnt, today: datetime) -> None:
        if money := self._money.get(learnt.account):
            money.drop_lapsed(learnt.asked_at_ms)
            money.spent = max(money.spent, learnt.spent)
            return
        if learnt.only_known:
            return
        for _ in range(2):
            if self._money:
                oldest = next(iter(self._money))
                if oldest.period.end + KEPT_AFTER_PERIOD < today:
                    del self._money[oldest]
        self._money[learnt.account] = _Money(learnt.spent)

    def renew(self, hold: Hold, now_ms: int) -> None:
        for account in hold.accounts:
            if money := self._money.get(account):
                money.hold(hold.request_id, hold.amount, now_ms + self._lease_ms)

    def settle(self, hold: Hold, spent: int) -> None:
        """Put *spent* in the place of what was held, or of what once was."""
        for account in hold.accounts:
            if money := self._money.get(account):
                money.release(hold.request_id)
                money.spent += spent
