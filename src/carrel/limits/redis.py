"""Limits and budgets in Redis: one script, and one round trip, for each step.

Time is Redis's own. All keys of a tenant bear its hash tag, so that they share a
slot of a Redis Cluster, and all keys expire.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from carrel.domain.ids import RequestId, TenantId
from carrel.limits.meter import (
    Account,
    Answer,
    Audit,
    Ceiling,
    Exhausted,
    Finish,
    Granted,
    Hold,
    Learnt,
    Lease,
    Load,
    Scope,
    Silent,
    Unknown,
    Verdict,
)
from carrel.limits.rate import MAX_LIMIT
from carrel.redis.client import RedisClient, Run
from carrel.redis.script import read_script

LEASE_SECONDS = 25.0
REMEMBERED_SECONDS = 900
LEDGER_DELAY_SECONDS = 1.0
KEPT_AFTER_PERIOD_MS = 3_600_000
RENEWALS_AT_ONCE = 100

_ADMIT, _RESERVE, _LEARN, _AUDIT, _SILENT, _REAP, _RENEW, _FINISH = (
    read_script("carrel.limits", "prelude", name)
    for name in ("admit", "reserve", "learn", "audit", "silent", "reap", "renew", "finish")
)


class RedisMeter:
    """A `Meter` that all replicas share.

    A request's leases and holds lapse *lease_seconds* after its last sign of life.
    *ledger_delay_seconds*: how long after its end a request is in the ledger.
    *ahead_ms* is added to Redis's clock, for tests.
    """

    def __init__(
        self,
        client: RedisClient,
        *,
        lease_seconds: float = LEASE_SECONDS,
        ledger_delay_seconds: float = LEDGER_DELAY_SECONDS,
        ahead_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        self._client = client
        self._lease_ms = int(lease_seconds * 1000)
        self._delay_ms = int(ledger_delay_seconds * 1000)
        self._remembered_ms = REMEMBERED_SECONDS * 1000 + self._lease_ms
        self._ahead_ms = ahead_ms

    async def admit(
        self, tenant_id: TenantId, request_id: RequestId, scopes: Sequence[Scope], tokens: int
    ) -> Verdict:
        key = _Keys(tenant_id)
        keys: list[str] = []
        arguments: list[str | int] = [self._ahead_ms(), request_id, tokens, self._lease_ms]
        for scope in scopes:
            keys += [key.requests(scope.name), key.tokens(scope.name), key.running(scope.name)]
            limits = scope.limits
            arguments += map(
                _wire,
                (limits.requests_per_minute, limits.tokens_per_minute, limits.concurrent_requests),
            )
        answer: list[int] = await self._client.run(_ADMIT, keys, arguments)
        loads = (Load(*answer[i : i + 3]) for i in range(1, len(answer), 3))
        return Verdict(answer[0] == 1, tuple(loads))

    async def reserve(
        self,
        tenant_id: TenantId,
        request_id: RequestId,
        ceilings: Sequence[Ceiling],
        wanted: int,
        least: int,
    ) -> Answer:
        key = _Keys(tenant_id)
        accounts = [ceiling.account for ceiling in ceilings]
        keys = [key.request(request_id)]
        for account in accounts:
            keys += key.account(account)[:2]
        timing = (self._lease_ms, self._remembered_ms)
        limits = (ceiling.limit for ceiling in ceilings)
        arguments = [self._ahead_ms(), request_id, wanted, least, *timing, *limits]
        answer: list[Any] = await self._client.run(_RESERVE, keys, arguments)
        numbers: list[int] = answer[1:]
        match answer[0]:
            case b"granted":
                return Granted(numbers[0], tuple(accounts[i - 1] for i in numbers[1:]))
            case b"exhausted":
                return Exhausted(accounts[numbers[0] - 1])
            case b"silent":
                return Silent(tuple(accounts[i - 1] for i in numbers))
            case b"unknown":
                return Unknown(tuple(accounts[i - 1] for i in numbers[1:]), numbers[0])
            case _:
                raise ValueError(f"request {request_id} has finished")

    async def learn(self, tenant_id: TenantId, learnt: Learnt) -> None:
        left = learnt.account.period.end - datetime.now(UTC)
        kept_ms = max(0, int(left.total_seconds() * 1000)) + KEPT_AFTER_PERIOD_MS
        timing = (learnt.asked_at_ms, self._delay_ms, kept_ms)
        await self._client.run(
            _LEARN,
            _Keys(tenant_id).account(learnt.account),
            [self._ahead_ms(), learnt.spent, *timing],
        )

    async def audit(self, tenant_id: TenantId, audit: Audit) -> None:
        arguments: list[str | int] = [self._ahead_ms(), audit.spent]
        for request_id, held, spent in audit.unsettled:
            arguments += [_member(request_id, held), spent]
        await self._client.run(_AUDIT, _Keys(tenant_id).account(audit.account)[:2], arguments)

    async def holds(self, tenant_id: TenantId, account: Account) -> dict[RequestId, int]:
        _, holds, _ = _Keys(tenant_id).account(account)
        return _amounts(await self._client.call("ZRANGE", holds, 0, -1))

    async def silent(self, tenant_id: TenantId, account: Account) -> dict[RequestId, int]:
        _, holds, _ = _Keys(tenant_id).account(account)
        return _amounts(await self._client.run(_SILENT, [holds], [self._ahead_ms()]))

    async def reap(
        self, tenant_id: TenantId, account: Account, dead: Sequence[tuple[RequestId, int, int]]
    ) -> None:
        arguments: list[str | int] = [self._ahead_ms()]
        for request_id, held, spent in dead:
            arguments += [_member(request_id, held), request_id, spent]
        await self._client.run(_REAP, _Keys(tenant_id).account(account)[:2], arguments)

    async def renew(self, leases: Sequence[Lease], holds: Sequence[Hold]) -> None:
        runs = [*map(self._lease_renewal, leases), *map(self._hold_renewal, holds)]
        for i in range(0, len(runs), RENEWALS_AT_ONCE):
            await self._client.run_all(runs[i : i + RENEWALS_AT_ONCE])

    async def finish(self, finish: Finish) -> None:
        lease, hold = finish.lease, finish.hold
        key = _Keys(finish.tenant_id)
        keys = [*map(key.running, lease.scopes if lease else ())]
        arguments: list[str | int] = [
            *(self._ahead_ms(), hold.request_id if hold else "", hold.amount if hold else 0),
            *(finish.spent, finish.age_ms, self._delay_ms, self._remembered_ms),
            *(lease.request_id if lease else "", len(keys)),
        ]
        for scope, limit, change in finish.token_changes:
            keys.append(key.tokens(scope))
            arguments += [_wire(limit), change]
        if hold:
            keys.append(key.request(hold.request_id))
            for account in hold.accounts:
                keys += key.account(account)
        await self._client.run(_FINISH, keys, arguments)

    def _lease_renewal(self, lease: Lease) -> Run:
        keys = [*map(_Keys(lease.tenant_id).running, lease.scopes)]
        return Run(_RENEW, keys, self._renewal(lease.request_id, 0, len(keys)))

    def _hold_renewal(self, hold: Hold) -> Run:
        key = _Keys(hold.tenant_id)
        keys = [key.request(hold.request_id)]
        for account in hold.accounts:
            keys += key.account(account)[:2]
        return Run(_RENEW, keys, self._renewal(hold.request_id, hold.amount, 0))

    def _renewal(self, request_id: RequestId, amount: int, leases: int) -> list[str | int]:
        timing = (self._lease_ms, self._remembered_ms)
        return [self._ahead_ms(), request_id, amount, *timing, leases]


class _Keys:
    """The names of a tenant's keys."""

    def __init__(self, tenant_id: TenantId) -> None:
        self._prefix = f"carrel:{{{tenant_id}}}:"

    def request(self, request_id: RequestId) -> str:
        return f"{self._prefix}request:{request_id}"

    def requests(self, scope: str) -> str:
        return f"{self._prefix}requests:{scope}"

    def tokens(self, scope: str) -> str:
        return f"{self._prefix}tokens:{scope}"

    def running(self, scope: str) -> str:
        return f"{self._prefix}running:{scope}"

    def account(self, account: Account) -> list[str]:
        """The account, its holds, and what was spent while it was not known."""
        start, end = account.period.start.date(), account.period.end.date()
        name = f"{self._prefix}budget:{account.scope}:{start}:{end}"
        return [name, f"{name}:holds", f"{name}:late"]


def _member(request_id: RequestId, held: int) -> str:
    """A hold's name, as in prelude.lua."""
    return f"{held}:{request_id}"


def _amounts(members: Sequence[bytes]) -> dict[RequestId, int]:
    parted = (member.decode().partition(":") for member in members)
    return {RequestId(request): int(amount) for amount, _, request in parted}


def _wire(limit: int | None) -> int:
    return -1 if limit is None else min(limit, MAX_LIMIT)
