from datetime import UTC, datetime, timedelta

import pytest

from carrel.domain.ids import RequestId, TenantId
from carrel.domain.tenant import Limits
from carrel.limits.memory import MemoryMeter
from carrel.limits.meter import Account, Ceiling, Finish, Granted, Hold, Learnt, Scope
from carrel.limits.period import Period, period_of

TENANT = TenantId("ten_a")


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(clock: Clock) -> MemoryMeter:
    return MemoryMeter(clock_ms=clock)


async def test_scopes_that_owe_nothing_any_more_are_forgotten(meter: MemoryMeter, clock: Clock):
    limits = Limits(requests_per_minute=10, tokens_per_minute=100, concurrent_requests=5)
    for n in range(20_000):
        clock.now += 10  # a hundred new keys a second
        request = RequestId(f"req_{n}")
        scopes = [Scope("tenant:ten_a", limits), Scope(f"key:{n}", limits)]
        await meter.admit(TENANT, request, scopes, 1)
    # Of a lease's 25 seconds, after which nobody gave a sign of life: 2,500.
    assert len(meter) <= 2_600


async def test_a_scope_in_debt_is_remembered(meter: MemoryMeter, clock: Clock):
    tight = [Scope("key:a", Limits(requests_per_minute=1))]
    assert (await meter.admit(TENANT, RequestId("req"), tight, 0)).admitted
    for n in range(100):
        clock.now += 100
        await meter.admit(TENANT, RequestId("r"), [Scope(f"key:{n}", Limits(5))], 0)
    assert not (await meter.admit(TENANT, RequestId("req_2"), tight, 0)).admitted


async def test_accounts_of_past_periods_are_forgotten(meter: MemoryMeter):
    today = period_of("day", datetime.now(UTC))
    for days in range(1000, 0, -1):
        back = timedelta(days=days)
        account = Account("key:a", Period(today.start - back, today.end - back))
        await meter.learn(TENANT, Learnt(account, 5, 0))
    assert len(meter) <= 3


async def test_settled_requests_are_remembered_for_five_minutes(meter: MemoryMeter, clock: Clock):
    account = Account("key:a", period_of("day", datetime.now(UTC)))
    await meter.learn(TENANT, Learnt(account, 0, 0))
    for n in range(1000):
        clock.now += 1000
        request = RequestId(f"req_{n}")
        granted = await meter.reserve(TENANT, request, [Ceiling(account, 10**9)], 5, 5)
        assert isinstance(granted, Granted)
        await meter.finish(Finish(TENANT, hold=Hold(TENANT, request, (account,), 5), spent=5))
    assert len(meter._settled) <= 302
    assert not meter._granted
