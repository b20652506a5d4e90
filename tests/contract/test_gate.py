"""What the gate promises, over memory and over Redis."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from tests.contract.gates import TENANT, World, memory_world, redis_world

from carrel.domain.errors import BudgetExhausted, RateLimited
from carrel.domain.ids import RequestId
from carrel.domain.tenant import Limits
from carrel.limits.handles import Admission, Budget, Reservation
from carrel.limits.meter import (
    Account,
    Audit,
    Ceiling,
    Finish,
    Granted,
    Hold,
    Learnt,
    Lease,
    Scope,
    Silent,
    Unknown,
)
from carrel.limits.period import period_of

pytestmark = pytest.mark.usefixtures("unblocked_loop")

DOLLAR = 1_000_000
DAY = [Budget("tenant:ten_a", 5 * DOLLAR, "day")]
BOTH = [*DAY, Budget("key:key_a", 2 * DOLLAR, "month")]
DAY_ACCOUNT = Account("tenant:ten_a", period_of("day", datetime.now(UTC)))


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "memory":
        context = memory_world()
    else:
        context = redis_world(request.getfixturevalue("redis_url"))
    async with context as world:
        yield world


def scope(name: str = "tenant:ten_a", **limits: int) -> Scope:
    return Scope(name, Limits(**limits))


async def admit(world: World, *scopes: Scope, tokens: int = 0) -> Admission:
    return await world.gate.admit(TENANT, world.request(), scopes, tokens)


async def refusal(world: World, *scopes: Scope, tokens: int = 0) -> RateLimited:
    with pytest.raises(RateLimited) as refused:
        await admit(world, *scopes, tokens=tokens)
    return refused.value


async def reserve(
    world: World, wanted: int = DOLLAR // 10, least: int | None = None, budgets: list[Budget] = DAY
) -> Reservation:
    least = wanted if least is None else least
    return await world.gate.reserve(TENANT, world.request(), budgets, wanted, least)


# Rates


async def test_of_a_hundred_at_once_exactly_as_many_as_the_limit_are_admitted(world: World):
    scopes = (scope(requests_per_minute=5), scope("key:key_a", requests_per_minute=50))
    outcomes = await asyncio.gather(
        *(admit(world, *scopes) for _ in range(100)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Admission) for outcome in outcomes) == 5
    assert sum(isinstance(outcome, RateLimited) for outcome in outcomes) == 95


async def test_what_refuses_takes_nothing_from_any_scope(world: World):
    tight, wide = scope(requests_per_minute=1), scope("key:key_a", requests_per_minute=3)
    await admit(world, tight, wide)
    for _ in range(10):
        error = await refusal(world, wide, tight)
        assert (error.scope, error.kind) == ("tenant:ten_a", "requests")
    last = await admit(world, wide)
    assert last.requests
    assert last.requests.remaining == 1


async def test_headers_tell_of_the_tightest_scope(world: World):
    roomy = scope(requests_per_minute=60, tokens_per_minute=1000)
    tight = scope("key:key_a", requests_per_minute=6)
    admission = await admit(world, roomy, tight, tokens=250)
    assert admission.requests
    assert (admission.requests.limit, admission.requests.remaining) == (6, 5)
    assert admission.requests.reset_seconds == 10
    assert admission.tokens
    assert (admission.tokens.limit, admission.tokens.remaining) == (1000, 750)
    assert admission.tokens.reset_seconds == 15


async def test_no_limits_ask_nobody(world: World):
    admission = await admit(world, scope(), tokens=10**9)
    assert (admission.requests, admission.tokens) == (None, None)
    await world.gate.finish(admission, tokens=5)


@pytest.mark.parametrize("limit", [1, 7, 59, 100_000])
async def test_a_client_that_obeys_retry_after_is_never_refused_twice(world: World, limit: int):
    limits = (scope(requests_per_minute=limit, tokens_per_minute=limit * 10),)
    refusals = 0
    for n in range(60):
        tokens = (n * 37) % (limit * 10) + limit * 3
        try:
            await admit(world, *limits, tokens=tokens)
        except RateLimited as error:
            refusals += 1
            world.travel.on(error.retry_after_seconds)
            await admit(world, *limits, tokens=tokens)
    assert refusals > 5


async def test_retry_after_is_no_longer_than_it_has_to_be(world: World):
    limits = scope(requests_per_minute=4)  # one each 15 seconds
    for _ in range(4):
        await admit(world, limits)
    assert (await refusal(world, limits)).retry_after_seconds == 15
    world.travel.on(13.5)
    assert (await refusal(world, limits)).retry_after_seconds in {1, 2}
    world.travel.on(1.5)
    await admit(world, limits)


async def test_tokens_are_charged_by_estimate_and_corrected_at_the_end(world: World):
    limits = scope(tokens_per_minute=1000)
    first = await admit(world, limits, tokens=900)
    assert (await refusal(world, limits, tokens=200)).kind == "tokens"
    await world.gate.finish(first, tokens=100)  # it was cheaper than it looked
    second = await admit(world, limits, tokens=500)
    assert second.tokens
    assert second.tokens.remaining in {400, 401, 402, 403, 404, 405}  # 17 come back in a second
    await world.gate.finish(second, tokens=2000)  # and this one dearer
    error = await refusal(world, limits, tokens=1)
    assert error.retry_after_seconds > 60
    world.travel.on(error.retry_after_seconds)
    await admit(world, limits, tokens=1)


async def test_a_refusal_has_the_headers_too(world: World):
    limits = scope(requests_per_minute=1, tokens_per_minute=100)
    await admit(world, limits, tokens=60)
    error = await refusal(world, limits, tokens=60)
    assert error.requests
    assert error.tokens
    assert (error.requests.remaining, error.tokens.remaining) == (0, 40)
    assert "1 requests a minute" in error.message


async def test_a_limit_that_is_changed_holds_at_once(world: World):
    for _ in range(4):
        await admit(world, scope(requests_per_minute=10))
    raised = await admit(world, scope(requests_per_minute=20))
    assert raised.requests
    assert raised.requests.remaining == 15
    await refusal(world, scope(requests_per_minute=5))


# Concurrency


async def test_slots_come_back_when_requests_finish(world: World):
    limits = scope(concurrent_requests=3)
    running = [await admit(world, limits) for _ in range(3)]
    error = await refusal(world, limits)
    assert (error.kind, error.retry_after_seconds) == ("concurrent", 1)
    await world.gate.finish(running.pop())
    await admit(world, limits)
    await refusal(world, limits)


async def test_the_slots_of_a_crashed_replica_come_back_with_the_lease(world: World):
    limits = scope(concurrent_requests=2)
    for n in range(2):
        await world.meter.admit(TENANT, RequestId(f"crashed_{n}"), [limits], 0)
    world.travel.on(24)
    await refusal(world, limits)
    world.travel.on(1.1)
    await admit(world, limits)


async def test_a_stream_that_gives_signs_of_life_keeps_its_slot(world: World):
    limits = scope(concurrent_requests=1)
    stream = await admit(world, limits)
    for _ in range(5):
        world.travel.on(16)
        await world.gate._renew()
        await refusal(world, limits)
    await world.gate.finish(stream)
    await admit(world, limits)


async def test_a_handle_that_was_dropped_is_not_renewed(world: World):
    limits = scope(concurrent_requests=1)
    await admit(world, limits)
    world.travel.on(16)
    await world.gate._renew()
    world.travel.on(11)
    await admit(world, limits)


# Money


async def test_a_thousand_at_once_get_every_cent_and_not_one_more(world: World):
    outcomes = await asyncio.gather(*(reserve(world) for _ in range(1000)), return_exceptions=True)
    granted = [each for each in outcomes if isinstance(each, Reservation)]
    assert len(granted) == 50
    assert sum(isinstance(outcome, BudgetExhausted) for outcome in outcomes) == 950
    assert world.ledger.asked == 1


async def test_the_smallest_rest_of_all_scopes_is_granted(world: World):
    assert (await reserve(world, DOLLAR * 3 // 2, budgets=BOTH)).amount_micro_usd == DOLLAR * 3 // 2
    rest = await reserve(world, DOLLAR, 1, budgets=BOTH)
    assert rest.amount_micro_usd == DOLLAR // 2
    with pytest.raises(BudgetExhausted) as exhausted:
        await reserve(world, DOLLAR, 1, budgets=BOTH)
    assert exhausted.value.scope == "key:key_a"
    assert exhausted.value.period_end == period_of("month", datetime.now(UTC)).end
    # Nothing was taken from the tenant's account either.
    assert (await reserve(world, 9 * DOLLAR, 1)).amount_micro_usd == 3 * DOLLAR


async def test_less_than_the_least_is_not_granted(world: World):
    await reserve(world, 5 * DOLLAR - 9)
    with pytest.raises(BudgetExhausted):
        await reserve(world, 100, 10)
    assert (await reserve(world, 100, 9)).amount_micro_usd == 9


async def test_what_was_not_spent_comes_back_when_it_is_settled(world: World):
    whole = await reserve(world, 5 * DOLLAR)
    await world.gate.finish(None, whole, spent_micro_usd=DOLLAR + 1)
    assert (await reserve(world, 9 * DOLLAR, 1)).amount_micro_usd == 4 * DOLLAR - 1


async def test_reserving_again_for_the_same_request_is_the_same_reservation(world: World):
    request_id = world.request()
    for _ in range(3):
        again = await world.gate.reserve(TENANT, request_id, DAY, DOLLAR, DOLLAR)
        assert again.amount_micro_usd == DOLLAR
    assert (await reserve(world, 9 * DOLLAR, 1)).amount_micro_usd == 4 * DOLLAR


async def test_settling_twice_counts_once(world: World):
    reservation = await reserve(world, DOLLAR)
    for _ in range(3):
        await world.gate.finish(None, reservation, spent_micro_usd=DOLLAR)
    assert (await reserve(world, 9 * DOLLAR, 1)).amount_micro_usd == 4 * DOLLAR


async def test_what_was_settled_first_cannot_be_held_after(world: World):
    """A cancelled request's settlement may overtake its reservation."""
    request_id = world.request()
    await reserve(world, DOLLAR)  # the account is known
    await world.meter.finish(Finish(TENANT, hold=Hold(TENANT, request_id, (DAY_ACCOUNT,), 0)))
    with pytest.raises(ValueError, match="has finished"):
        await world.gate.reserve(TENANT, request_id, DAY, DOLLAR, DOLLAR)
    assert (await reserve(world, 9 * DOLLAR, 1)).amount_micro_usd == 4 * DOLLAR


async def test_the_hold_of_a_crashed_replica_comes_back_within_30_seconds(world: World):
    await reserve(world, 5 * DOLLAR)  # and nobody keeps the handle
    world.travel.on(24)
    with pytest.raises(BudgetExhausted):
        await reserve(world, 1)
    world.travel.on(1.1)
    assert (await reserve(world, 5 * DOLLAR)).amount_micro_usd == 5 * DOLLAR


async def test_a_generation_that_gives_signs_of_life_keeps_its_hold(world: World):
    reservation = await reserve(world, 5 * DOLLAR)
    for _ in range(5):
        world.travel.on(16)
        await world.gate._renew()
        with pytest.raises(BudgetExhausted):
            await reserve(world, 1)
    await world.gate.finish(None, reservation, spent_micro_usd=5 * DOLLAR)


async def test_spending_counts_even_if_the_hold_has_lapsed(world: World):
    slow = await reserve(world, 3 * DOLLAR)
    world.travel.on(31)
    other = await reserve(world, 4 * DOLLAR)
    await world.gate.finish(None, slow, spent_micro_usd=3 * DOLLAR)
    await world.gate.finish(None, other, spent_micro_usd=DOLLAR)
    assert (await reserve(world, 9 * DOLLAR, 1)).amount_micro_usd == DOLLAR


async def test_spending_more_than_was_held_counts_in_full(world: World):
    reservation = await reserve(world, DOLLAR)
    await world.gate.finish(None, reservation, spent_micro_usd=6 * DOLLAR)
    with pytest.raises(BudgetExhausted):
        await reserve(world, 1)


async def test_nothing_to_spend_is_always_granted_within_the_budget(world: World):
    free = await reserve(world, 0)
    await world.gate.finish(None, free)
    assert (await reserve(world, 5 * DOLLAR)).amount_micro_usd == 5 * DOLLAR


async def test_what_the_ledger_knows_counts_from_the_start(world: World):
    world.ledger.spent["tenant:ten_a"] = 4 * DOLLAR
    assert (await reserve(world, 9 * DOLLAR, 1)).amount_micro_usd == DOLLAR
    assert world.ledger.asked == 1


async def test_a_new_period_begins_with_what_the_ledger_says_of_it(world: World):
    await reserve(world, 5 * DOLLAR)
    world.gate._now = lambda: DAY_ACCOUNT.period.end
    assert (await reserve(world, 9 * DOLLAR, 1)).amount_micro_usd == 5 * DOLLAR
    assert world.ledger.asked == 2


async def test_one_request_gives_back_its_slot_tokens_and_money_together(world: World):
    limits = scope(concurrent_requests=1, tokens_per_minute=1000)
    admission = await admit(world, limits, tokens=1000)
    reservation = await reserve(world, 5 * DOLLAR)
    await world.gate.finish(admission, reservation, spent_micro_usd=0, tokens=0)
    again = await admit(world, limits, tokens=1000)
    assert again.tokens
    assert (await reserve(world, 5 * DOLLAR)).amount_micro_usd == 5 * DOLLAR


async def test_a_generation_may_outlive_the_request_that_began_it(world: World):
    limits = scope(concurrent_requests=1)
    admission = await admit(world, limits)
    reservation = await world.gate.reserve(TENANT, admission.request_id, DAY, DOLLAR, DOLLAR)
    await world.gate.finish(admission)
    await admit(world, limits)
    await world.gate.finish(None, reservation, spent_micro_usd=DOLLAR)
    assert (await reserve(world, 9 * DOLLAR, 1)).amount_micro_usd == 4 * DOLLAR


async def test_requests_cancelled_at_any_moment_leave_nothing_behind(world: World):
    limits = scope(concurrent_requests=1000)
    await reserve(world, 0)

    async def request() -> None:
        admission, reservation = await admit(world, limits), None
        try:
            reservation = await reserve(world, DOLLAR // 1000)
            await asyncio.sleep(0)
        finally:
            await world.gate.finish(admission, reservation, spent_micro_usd=1)

    tasks: list[asyncio.Task[None]] = []
    for n in range(300):
        tasks.append(asyncio.create_task(request()))
        if n % 20 == 0:
            await asyncio.sleep(0.001)
        tasks[n // 2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*world.gate._ending)
    running = await world.meter.admit(TENANT, world.request(), [limits], 0)
    assert running.loads[0].running == 1
    rest = await reserve(world, 9 * DOLLAR, 1)
    assert rest.amount_micro_usd >= 5 * DOLLAR - 300  # nothing is held, and no more than 300 spent


# The meter


async def test_learning_never_lowers_what_was_spent(world: World):
    reservation = await reserve(world, DOLLAR)
    await world.gate.finish(None, reservation, spent_micro_usd=DOLLAR)
    for sum_, left in ((0, 4 * DOLLAR), (2 * DOLLAR, 3 * DOLLAR), (DOLLAR, 3 * DOLLAR)):
        await world.meter.learn(TENANT, Learnt(DAY_ACCOUNT, sum_, 0))
        rest = await reserve(world, 9 * DOLLAR, 1)
        assert rest.amount_micro_usd == left
        await world.gate.finish(None, rest)


async def test_an_audit_does_not_make_an_unknown_account_known(world: World):
    await world.meter.audit(TENANT, Audit(DAY_ACCOUNT, DOLLAR))
    await reserve(world, 1)
    assert world.ledger.asked == 1


async def test_an_audit_only_raises_what_was_spent(world: World):
    await world.gate.finish(None, await reserve(world, DOLLAR), spent_micro_usd=DOLLAR)
    for sum_, left in ((0, 4 * DOLLAR), (2 * DOLLAR, 3 * DOLLAR), (DOLLAR, 3 * DOLLAR)):
        await world.meter.audit(TENANT, Audit(DAY_ACCOUNT, sum_))
        rest = await reserve(world, 9 * DOLLAR, 1)
        assert rest.amount_micro_usd == left
        await world.gate.finish(None, rest)


async def test_what_an_audit_finds_of_a_request_that_holds_money_counts_once(world: World):
    """It is in the ledger already, and its end is yet to be told: it was killed, say."""
    dead = await reserve(world, 3 * DOLLAR)
    assert await world.meter.holds(TENANT, DAY_ACCOUNT) == {dead.request_id: 3 * DOLLAR}
    unsettled = [(dead.request_id, 3 * DOLLAR, 2 * DOLLAR)]
    await world.meter.audit(TENANT, Audit(DAY_ACCOUNT, 2 * DOLLAR, unsettled))
    await world.gate.finish(None, dead, spent_micro_usd=2 * DOLLAR)
    assert await world.meter.holds(TENANT, DAY_ACCOUNT) == {}
    assert (await reserve(world, 9 * DOLLAR, 1)).amount_micro_usd == 3 * DOLLAR


async def test_what_was_settled_before_the_audit_is_part_of_it(world: World):
    ended = await reserve(world, 3 * DOLLAR)
    await world.gate.finish(None, ended, spent_micro_usd=2 * DOLLAR)
    unsettled = [(ended.request_id, 3 * DOLLAR, 2 * DOLLAR)]
    await world.meter.audit(TENANT, Audit(DAY_ACCOUNT, 4 * DOLLAR, unsettled))
    assert (await reserve(world, 9 * DOLLAR, 1)).amount_micro_usd == DOLLAR


async def test_an_unknown_account_holds_nothing_on_the_known_ones(world: World):
    await reserve(world, DOLLAR)
    other = Account("key:key_a", DAY_ACCOUNT.period)
    ceilings = [Ceiling(DAY_ACCOUNT, 5 * DOLLAR), Ceiling(other, DOLLAR)]
    answer = await world.meter.reserve(TENANT, world.request(), ceilings, DOLLAR, 1)
    assert isinstance(answer, Unknown)
    assert answer.accounts == (other,)
    assert (await reserve(world, 9 * DOLLAR, 1)).amount_micro_usd == 4 * DOLLAR


async def test_the_hold_of_the_dead_counts_until_the_ledger_was_asked(world: World):
    dead = world.request()
    await world.gate.reserve(TENANT, dead, DAY, 3 * DOLLAR, 3 * DOLLAR)
    world.ledger.requests[dead] = DOLLAR * 5 // 2  # it spent most of it, and said so
    world.travel.on(26)
    ceilings = [Ceiling(DAY_ACCOUNT, 5 * DOLLAR)]
    enough = await world.meter.reserve(TENANT, world.request(), ceilings, DOLLAR, 1)
    assert enough == Granted(DOLLAR, silent=(DAY_ACCOUNT,))
    wanted = 2 * DOLLAR
    too_little = await world.meter.reserve(TENANT, world.request(), ceilings, wanted, wanted)
    assert too_little == Silent((DAY_ACCOUNT,))
    rest = await reserve(world, wanted, DOLLAR + 1)
    assert rest.amount_micro_usd == DOLLAR * 3 // 2


async def test_the_dead_who_turn_out_to_live_are_counted_once(world: World):
    dead = world.request()
    late = await world.gate.reserve(TENANT, dead, DAY, 5 * DOLLAR, 5 * DOLLAR)
    world.ledger.requests[dead] = DOLLAR
    world.travel.on(26)
    rest = await reserve(world, 9 * DOLLAR, 1)
    assert rest.amount_micro_usd == 4 * DOLLAR
    await world.gate.finish(None, rest)
    await world.gate.finish(None, late, spent_micro_usd=DOLLAR)
    assert (await reserve(world, 9 * DOLLAR, 1)).amount_micro_usd == 4 * DOLLAR


async def test_a_hold_that_is_renewed_meanwhile_is_not_reaped(world: World):
    alive = await reserve(world, 5 * DOLLAR)
    world.travel.on(26)
    held = await world.meter.silent(TENANT, DAY_ACCOUNT)
    assert held == {alive.request_id: 5 * DOLLAR}
    await world.gate._renew()
    await world.meter.reap(TENANT, DAY_ACCOUNT, [(alive.request_id, 5 * DOLLAR, 0)])
    with pytest.raises(BudgetExhausted):
        await reserve(world, 1)


async def test_a_renewal_puts_back_what_had_lapsed(world: World):
    limits = scope(concurrent_requests=1)
    admission = await admit(world, limits)
    reservation = await reserve(world, 5 * DOLLAR)
    world.travel.on(31)
    free = await reserve(world, DOLLAR)
    await world.gate.finish(None, free)
    lease, hold = admission.lease(), reservation.hold()
    assert isinstance(lease, Lease)
    assert isinstance(hold, Hold)
    await world.meter.renew([lease], [hold])
    await refusal(world, limits)
    with pytest.raises(BudgetExhausted):
        await reserve(world, 1)
