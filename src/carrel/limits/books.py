"""Keeps a meter's accounts true to the ledger.

The ledger has what was spent, up to a second ago; the meter has what is held, and the
last second. A meter that does not know an account asks; the answer is what the
ledger says, and nothing is granted before.

A Redis that lost its memory also lost what was held, and the last second. So its
accounts are learnt `recovery_seconds` after it lost it: by then every replica has put
its holds back (each looks for a loss every two seconds) and has written its last second.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any

from carrel.domain.errors import CarrelError, Unavailable
from carrel.domain.ids import TenantId
from carrel.limits.meter import Account, Learnt, Meter, Unknown
from carrel.redis.replicas import Replicas

RECOVERY_SECONDS = 3.0
AUDIT_AFTER_SECONDS = 1.0
MAX_AUDITED = 10_000

# The micro-dollars spent on a scope since a moment, with the events not yet written.
SpentSoFar = Callable[[TenantId, str, datetime], Awaitable[int]]


class Recovering(Unavailable):
    """Redis lost its memory a moment ago, and is being told again."""


class Books:
    """Learns the accounts of *meter*. Without *replicas* its memory is this process's own."""

    def __init__(
        self,
        meter: Meter,
        ledger: SpentSoFar,
        replicas: Replicas | None = None,
        *,
        recovery_seconds: float = RECOVERY_SECONDS,
    ) -> None:
        self._meter = meter
        self._ledger = ledger
        self._replicas = replicas
        self._recovery_seconds = recovery_seconds
        self._asking: dict[Account, asyncio.Task[None]] = {}
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
        for account in unknown.accounts:
            self._audited[account] = self._mark
            await self._ask(tenant_id, account, unknown.asked_at_ms, counted)

    def audit(
        self, tenant_id: TenantId, accounts: Sequence[Account], stale: Unknown | None
    ) -> None:
        """Learn *stale* accounts in the background, and each one once for each of Redis's memories.

        For a Redis may have been restarted from an old copy of its memory.
        """
        for account in accounts:
            lapsed = stale is not None and account in stale.accounts
            if account in self._auditing:
                continue
            if lapsed or self._audited.get(account) != self._mark:
                self._audited[account] = self._mark
                asked_at_ms = stale.asked_at_ms if stale and lapsed else 0
                _start(self._auditing, account, self._audit(tenant_id, account, asked_at_ms))
        while len(self._audited) > MAX_AUDITED:
            self._audited.popitem(last=False)

    async def close(self) -> None:
        tasks = [*self._asking.values(), *self._auditing.values()]
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

    async def _ask(
        self,
        tenant_id: TenantId,
        account: Account,
        asked_at_ms: int,
        counted: Callable[[Account, int], int],
    ) -> None:
        """Ask the ledger once, however many requests are waiting for the same account."""

        async def ask() -> None:
            spent = await self._ledger(tenant_id, account.scope, account.period.start)
            await self._meter.learn(
                tenant_id, Learnt(account, counted(account, spent), asked_at_ms)
            )

        asking = self._asking.get(account) or _start(self._asking, account, ask())
        # A request that is cancelled leaves the others their answer.
        await asyncio.shield(asking)

    async def _audit(self, tenant_id: TenantId, account: Account, asked_at_ms: int) -> None:
        await asyncio.sleep(AUDIT_AFTER_SECONDS)  # until the ledger has the last second
        try:
            spent = await self._ledger(tenant_id, account.scope, account.period.start)
            learnt = Learnt(account, spent, asked_at_ms, only_known=True)
            await self._meter.learn(tenant_id, learnt)
        except CarrelError:
            self._audited.pop(account, None)  # the next reservation asks again


def _start(
    tasks: dict[Account, asyncio.Task[None]], account: Account, work: Coroutine[Any, Any, None]
) -> asyncio.Task[None]:
    task = asyncio.create_task(work)
    tasks[account] = task

    def done(task: asyncio.Task[None]) -> None:
        del tasks[account]
        if not task.cancelled():
            task.exception()  # whoever waits has it; if nobody does, it is no news

    task.add_done_callback(done)
    return task
