"""Money of one process: what was spent and what is held, by account.

What is held counts as spent until it is settled or reaped. An account is kept for an
hour after its period.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carrel.domain.ids import RequestId
from carrel.limits.meter import (
    Account,
    Answer,
    Audit,
    Ceiling,
    Exhausted,
    Granted,
    Hold,
    Learnt,
    Silent,
    Unknown,
)

KEPT_AFTER_PERIOD = timedelta(hours=1)


@dataclass(slots=True)
class _Money:
    spent: int
    held: int = 0
    holds: dict[RequestId, tuple[int, int]] = field(  # amount, until when
        default_factory=dict[RequestId, tuple[int, int]]
    )

    reaped: dict[RequestId, int] = field(default_factory=dict[RequestId, int])

    def hold(self, request_id: RequestId, amount: int, until_ms: int) -> None:
        self.release(request_id)
        self.holds[request_id] = amount, until_ms
        self.held += amount

    def release(self, request_id: RequestId) -> None:
        amount, _ = self.holds.pop(request_id, (0, 0))
        self.held -= amount

    def silent(self, now_ms: int) -> dict[RequestId, int]:
        """What was not renewed in time."""
        found: dict[RequestId, int] = {}
        for request_id, (amount, until_ms) in self.holds.items():
            if until_ms > now_ms:  # a renewal moves a hold to the end: the first lapse first
                break
            found[request_id] = amount
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
    ) -> Answer:
        silent: list[Account] = []
        unknown: list[Account] = []
        blocked: list[Account] = []
        amount, tightest = wanted, ceilings[0].account
        for each in ceilings:
            money = self._money.get(each.account)
            if money is None:
                unknown.append(each.account)
                continue
            left = each.limit - money.spent - money.held
            if money.silent(now_ms):
                silent.append(each.account)
                if left < least:
                    blocked.append(each.account)
            if left < amount:
                amount, tightest = left, each.account
        if unknown:
            return Unknown(tuple(unknown), now_ms)
        if blocked:
            return Silent(tuple(blocked))
        if amount < least:
            return Exhausted(tightest)
        for each in ceilings:
            self._money[each.account].hold(request_id, amount, now_ms + self._lease_ms)
        return Granted(amount, tuple(silent))

    def silent(self, account: Account, now_ms: int) -> dict[RequestId, int]:
        money = self._money.get(account)
        return money.silent(now_ms) if money else {}

    def reap(
        self, account: Account, dead: Sequence[tuple[RequestId, int, int]], now_ms: int
    ) -> None:
        money = self._money.get(account)
        still_silent = money.silent(now_ms) if money else {}
        for request_id, _, spent in dead:
            if money and request_id in still_silent:
                money.release(request_id)
                money.spent += spent
                money.reaped[request_id] = spent

    def learn(self, learnt: Learnt, today: datetime) -> None:
        if money := self._money.get(learnt.account):
            money.spent = max(money.spent, learnt.spent)
            return
        for _ in range(2):
            if self._money:
                oldest = next(iter(self._money))
                if oldest.period.end + KEPT_AFTER_PERIOD < today:
                    del self._money[oldest]
        self._money[learnt.account] = _Money(learnt.spent)

    def audit(self, audit: Audit) -> None:
        if money := self._money.get(audit.account):
            unsettled = (
                spent
                for request_id, held, spent in audit.unsettled
                if money.holds.get(request_id, (None,))[0] == held
            )
            money.spent = max(money.spent, audit.spent - sum(unsettled))

    def holds(self, account: Account) -> dict[RequestId, int]:
        money = self._money.get(account)
        return {each: amount for each, (amount, _) in money.holds.items()} if money else {}

    def renew(self, hold: Hold, now_ms: int) -> None:
        for account in hold.accounts:
            if money := self._money.get(account):
                money.hold(hold.request_id, hold.amount, now_ms + self._lease_ms)

    def settle(self, hold: Hold, spent: int) -> None:
        """Put *spent* in the place of what was held, or of what once was."""
        for account in hold.accounts:
            if money := self._money.get(account):
                money.release(hold.request_id)
                money.spent += spent - money.reaped.pop(hold.request_id, 0)
