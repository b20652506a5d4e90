"""Keeps a meter's accounts true to the ledger.

The ledger has what was spent, up to a second ago; the meter has what is held, and the
last second. Of an account that the meter does not know, it learns what the ledger says
before anything is granted. Of a hold that was not renewed, because its holder died, it
learns what that request spent before the rest is granted to another.

A Redis that lost its memory also lost what was held, and the last second. So its
accounts are learnt `RECOVERY_SECONDS` after the loss: by then every replica has put its
holds back (each looks for a loss every two seconds) and has written its last second.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from carrel.domain.errors import CarrelError, Unavailable
from carrel.domain.ids import RequestId, TenantId
from carrel.limits.meter import Account, Audit, Learnt, Meter, Unknown
from carrel.redis.replicas import Replicas

RECOVERY_SECONDS = 3.0
AUDIT_AFTER_SECONDS = 1.0
MAX_AUDITED = 10_000


class Ledger(Protocol):
    """What was spent, in micro-dollars. A request is in it within a second of being settled."""

    async def spent_since(self, tenant_id: TenantId, scope: str, start: datetime) -> int:
        """The sum of *scope* (`tenant:ten_x` or `key:key_x`) since *start*."""
        ...

    async def spent_by(
        self, tenant_id: TenantId, requests: Collection[RequestId]
    ) -> Mapping[RequestId, int]:
        """What each of *requests* spent; those without a record are left out."""
        ...


class Recovering(Unavailable):
    """Redis lost its memory a moment ago, and is being told again."""


class Books:
    """Learns the accounts of *meter*. Without *replicas* its memory is this process's own."""

    def __init__(
        self,
        meter: Meter,
        ledger: Ledger,
        replicas: Replicas | None = None,
        *,
        recovery_seconds: float = RECOVERY_SECONDS,
    ) -> None:
        self._meter = meter
        self._ledger = ledger
        self._replicas = replicas
        self._recovery_seconds = recovery_seconds
        self._learning: dict[Account, asyncio.Task[None]] = {}
        self._reaping: dict[Account, asyncio.Task[None]] = {}
        self._auditing: dict[Account, asyncio.Task[None]] = {}
        self._audited: OrderedDict[Account, str] = OrderedDict()

    async def learn(
        self, tenant_id: TenantId, unknown: Unknown, counted: Callable[[Account, int], int]
    ) -> None:
        """Have the meter know *unknown* accounts. *counted* is what to make of the ledger's sum.

        Raises:
            Recovering, SharedStateDown
            Unavailable: the ledger can't be read.
        """
        await self._await_recovery()

        async def learn(account: Account) -> None:
            spent = await self._ledger.spent_since(tenant_id, account.scope, account.period.start)
            learnt = Learnt(account, counted(account, spent), unknown.asked_at_ms)
            await self._meter.learn(tenant_id, learnt)

        for account in unknown.accounts:
            self._audited[account] = self._mark
            await _once(self._learning, account, learn)

    async def reap(self, tenant_id: TenantId, accounts: Sequence[Account]) -> None:
        """End the holds of the dead on *accounts*. Raises as `learn` does."""

        async def reap(account: Account) -> None:
            await self._reap(tenant_id, account)

        for account in accounts:
            await _once(self._reaping, account, reap)

    def look_after(
        self, tenant_id: TenantId, accounts: Sequence[Account], silent: Sequence[Account]
    ) -> None:
        """Reap *silent* accounts in the background, and audit each once in each Redis's memory.

        For a Redis may have been restarted from an old copy of its memory.
        """

        async def reap(account: Account) -> None:
            await self._reap(tenant_id, account)

        async def audit(account: Account) -> None:
            await self._audit(tenant_id, account)

        for account in silent:
            _start(self._reaping, account, reap)
        for account in accounts:
            if self._audited.get(account) != self._mark:
                self._audited[account] = self._mark
                _start(self._auditing, account, audit)
        while len(self._audited) > MAX_AUDITED:
            self._audited.popitem(last=False)

    async def close(self) -> None:
        tasks = [*self._learning.values(), *self._reaping.values(), *self._auditing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _mark(self) -> str:
        return self._replicas.mark if self._replicas else ""

    async def _await_recovery(self) -> None:
        if self._replicas is None:
            return
        memory = await self._replicas.beat()
        if (left := self._recovery_seconds - memory.age_seconds) > 0:
            raise Recovering(
                "spending limits are being restored; try again shortly",
                retry_after_seconds=math.ceil(left),
            )

    async def _reap(self, tenant_id: TenantId, account: Account) -> None:
        held = await self._meter.silent(tenant_id, account)
        if held:
            spent = await self._ledger.spent_by(tenant_id, held.keys())
            dead = [(request, amount, spent.get(request, 0)) for request, amount in held.items()]
            await self._meter.reap(tenant_id, account, dead)

    async def _audit(self, tenant_id: TenantId, account: Account) -> None:
        await asyncio.sleep(AUDIT_AFTER_SECONDS)  # until the ledger has the last second
        try:
            # In this order: of those that hold money, the sum has at least what was found of each.
            held = await self._meter.holds(tenant_id, account)
            found = await self._ledger.spent_by(tenant_id, held.keys())
            spent = await self._ledger.spent_since(tenant_id, account.scope, account.period.start)
            unsettled = [(request, held[request], found[request]) for request in found]
            await self._meter.audit(tenant_id, Audit(account, spent, unsettled))
        except CarrelError:
            self._audited.pop(account, None)  # the next reservation asks again


Work = Callable[[Account], Coroutine[Any, Any, None]]


async def _once(tasks: dict[Account, asyncio.Task[None]], account: Account, work: Work) -> None:
    """Do *work*, or wait for it if it is being done: the ledger is asked once for all who wait."""
    # A request that is cancelled leaves the others their answer.
    await asyncio.shield(_start(tasks, account, work))


def _start(
    tasks: dict[Account, asyncio.Task[None]], account: Account, work: Work
) -> asyncio.Task[None]:
    if account in tasks:
        return tasks[account]
    task = tasks[account] = asyncio.create_task(work(account))

    def done(task: asyncio.Task[None]) -> None:
        del tasks[account]
        if not task.cancelled():
            task.exception()  # whoever waits has it; if nobody does, it is no news

    task.add_done_callback(done)
    return task
