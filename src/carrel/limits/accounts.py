"""Money of one process: what was spent and what is held, by account.

What is held counts as spent until it is settled or its lease lapses. An account is
kept for an hour after its period.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carrel.domain.ids import RequestId
from carrel.limits.meter import Account, Ceiling, Exhausted, Granted, Hold, Unknown

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

    def drop_lapsed(self, now_ms: int) -> bool:
        """Whether there were any."""
        found = False
        # A renewal moves a hold to the end: the first ones lapse first.
        while self.holds:
            request_id, (_, until_ms) = next(iter(self.holds.items()))
            if until_ms > now_ms:
                break
            self.release(request_id)
            found = True
        return found


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
        known = [(each, self._money.get(each.account)) for each in ceilings]
        if unknown := tuple(each.account for each, money in known if money is None):
            return Unknown(unknown, now_ms)
        open_accounts = [(each, money) for each, money in known if money is not None]
        lapsed = tuple(each.account for each, money in open_accounts if money.drop_lapsed(now_ms))
        amount, tightest = wanted, ceilings[0].account
        for each, money in open_accounts:
            left = each.limit - money.spent - money.held
            if left < amount:
                amount, tightest = left, each.account
        if amount < least:
            return Exhausted(tightest, lapsed)
        for _, money in open_accounts:
            money.hold(request_id, amount, now_ms + self._lease_ms)
        return Granted(amount, lapsed)

    def knows(self, account: Account) -> bool:
        return account in self._money

    def learn(self, account: Account, spent: int, today: datetime) -> None:
        if money := self._money.get(account):
            money.spent = max(money.spent, spent)
            return
        for _ in range(2):
            if self._money:
                oldest = next(iter(self._money))
                if oldest.period.end + KEPT_AFTER_PERIOD < today:
                    del self._money[oldest]
        self._money[account] = _Money(spent)

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
