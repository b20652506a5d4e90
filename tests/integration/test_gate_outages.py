"""What the gate does when Redis is down, slow, restarted or emptied."""

import asyncio
import contextlib
import itertools
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from tests import services
from tests.contract.gates import BookLedger
from tests.faults.proxy import Proxy

from carrel.domain.errors import BudgetExhausted, RateLimited, Unavailable
from carrel.domain.ids import RequestId, TenantId
from carrel.domain.tenant import Limits
from carrel.limits.books import Recovering
from carrel.limits.gate import Gate
from carrel.limits.handles import Admission, Budget, Reservation
from carrel.limits.memory import MemoryMeter
from carrel.limits.meter import Account, Scope
from carrel.limits.money import OnOutage
from carrel.limits.period import period_of
from carrel.limits.redis import LEASE_SECONDS, RedisMeter, _Keys
from carrel.redis.client import RedisClient
from carrel.redis.errors import SharedStateDown
from carrel.redis.replicas import Replicas
from carrel.telemetry import metrics

pytestmark = pytest.mark.usefixtures("unblocked_loop")

TENANT = TenantId("ten_a")
DOLLAR = 1_000_000
BUDGET = [Budget("tenant:ten_a", 5 * DOLLAR, "day")]
PATIENT = 5.0
ids = itertools.count()


@dataclass
class Replica:
    """A replica of the gate, that tends to its leases when told to."""

    gate: Gate
    redis: RedisClient
    replicas: Replicas
    ledger: BookLedger

    async def admit(self, limits: Limits) -> Admission:
        scopes = [Scope("tenant:ten_a", limits)]
        return await self.gate.admit(TENANT, RequestId(f"req_{next(ids)}"), scopes)

    async def reserve(
        self, wanted: int, least: int = 1, on_outage: OnOutage = "refuse"
    ) -> Reservation:
        request_id = RequestId(f"req_{next(ids)}")
        return await self.gate.reserve(
            TENANT, request_id, BUDGET, wanted, least, on_outage=on_outage
        )

    async def settle(self, reservation: Reservation, spent: int) -> None:
        await self.gate.finish(None, reservation, spent_micro_usd=spent)

    async def audited(self) -> None:
        """Wait until its audits are done."""
        while auditing := self.gate._money._books._auditing:
            await asyncio.gather(*auditing.values())

    async def back(self) -> None:
        """Wait until Redis answers again."""
        while True:
            with contextlib.suppress(SharedStateDown):
                await self.replicas.beat()
                return
            await asyncio.sleep(0.005)


@dataclass
class Stage:
    proxy: Proxy
    ledger: BookLedger = field(default_factory=BookLedger)
    opened: list[Replica] = field(default_factory=list[Replica])

    async def replica(
        self,
        *,
        recovery: float = 0,
        ledger_delay: float = 1,
        redis_budget: float = PATIENT,
        lease: float = LEASE_SECONDS,
    ) -> Replica:
        redis = RedisClient(self.proxy.url, budget_seconds=redis_budget, probe_seconds=0.01)
        replicas = Replicas(redis, beat_seconds=PATIENT)
        gate = Gate(
            self.ledger,
            local=MemoryMeter(),
            shared=RedisMeter(redis, lease_seconds=lease, ledger_delay_seconds=ledger_delay),
            replicas=replicas,
            recovery_seconds=recovery,
        )
        self.opened.append(Replica(gate, redis, replicas, self.ledger))
        await self.opened[-1].back()  # on a busy machine 50 ms may be too little
        return self.opened[-1]

    def down(self) -> None:
        self.proxy.refuses = True
        self.proxy.cut()

    def up(self) -> None:
        self.proxy.refuses = False


@pytest.fixture
async def stage(redis_url: str) -> AsyncIterator[Stage]:
    async with Proxy(redis_url).serving() as proxy:
        stage = Stage(proxy)
        yield stage
        for replica in stage.opened:
            await replica.gate.close()
            await replica.redis.close()


async def outcomes_of(replica: Replica, limits: Limits, number: int) -> Counter[str]:
    """What became of that many requests at once; anything that is not typed is raised."""
    admitted = await asyncio.gather(
        *(replica.admit(limits) for _ in range(number)), return_exceptions=True
    )
    counts: Counter[str] = Counter()
    for each in admitted:
        if isinstance(each, Admission):
            counts["local" if each.local else "shared"] += 1
        elif isinstance(each, RateLimited):
            counts["refused"] += 1
        else:
            raise each
    return counts


async def test_without_redis_each_replica_holds_its_share_of_the_limits(stage: Stage):
    replicas = [await stage.replica() for _ in range(4)]
    for replica in replicas:
        await replica.replicas.beat()
    before = metrics.local_admissions._value.get()
    stage.down()
    for replica in replicas:
        outcomes = await outcomes_of(replica, Limits(requests_per_minute=20), 100)
        assert outcomes == {"local": 5, "refused": 95}
    assert metrics.local_admissions._value.get() == before + 400
    tiny = Limits(requests_per_minute=1000, concurrent_requests=1)
    assert (await outcomes_of(replicas[0], tiny, 10))["local"] == 1


async def test_a_stopped_redis_counts_as_down():
    with services.redis() as service:
        async with Proxy(service.url).serving() as proxy:
            stage = Stage(proxy)
            replica = await stage.replica(redis_budget=0.05)
            service.process.send_signal(signal.SIGSTOP)
            outcomes = await outcomes_of(replica, Limits(requests_per_minute=5), 50)
            assert outcomes == {"local": 5, "refused": 45}
            service.process.send_signal(signal.SIGCONT)
            await replica.back()
            await replica.gate.close()
            await replica.redis.close()


async def test_a_redis_killed_and_restarted_under_load_gives_nothing_but_verdicts():
    limits = Limits(requests_per_minute=60, concurrent_requests=1000)
    names = ("up", "down", "between", "again")
    phases: dict[str, Counter[str]] = {name: Counter() for name in names}
    with services.redis() as first, services.redis() as second:
        async with Proxy(first.url).serving() as proxy:
            stage = Stage(proxy)
            replicas = [await stage.replica(redis_budget=1) for _ in range(2)]
            for replica in replicas:
                await replica.replicas.beat()
            phase = "up"

            async def load(replica: Replica) -> None:
                while True:
                    began = phase
                    outcomes = await outcomes_of(replica, limits, 4)
                    phases[began if began == phase else "between"] += outcomes
                    await asyncio.sleep(0.001)

            async def until_refused(times: int) -> None:
                while phases[phase]["refused"] < times:  # noqa: ASYNC110 - others count
                    await asyncio.sleep(0.005)

            loads = [asyncio.create_task(load(each)) for each in replicas for _ in range(4)]
            await until_refused(100)
            first.process.kill()
            await asyncio.to_thread(first.process.wait)
            while not all(replica.redis.is_down for replica in replicas):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            phase = "down"
            await until_refused(1000)
            # The second has another password: the same Redis, as far as the proxy's clients know.
            await _same_password(second.url, first.url)
            phase = "between"
            proxy.upstream = second.url
            await replicas[0].back()
            await replicas[1].back()
            phase = "again"
            await until_refused(100)
            for task in loads:
                assert not task.done(), task.exception()
                task.cancel()
            await asyncio.gather(*loads, return_exceptions=True)
            for replica in replicas:
                await replica.gate.close()
                await replica.redis.close()
    # One more a second comes back while this lasts.
    assert 60 <= phases["up"]["shared"] <= 70
    assert phases["down"]["shared"] == 0
    # Two replicas, each with half of the limit.
    assert 60 <= sum(counts["local"] for counts in phases.values()) <= 70
    # The second Redis knows nothing of the first.
    assert 60 <= phases["between"]["shared"] + phases["again"]["shared"] <= 70
    assert phases["again"]["local"] == 0


async def _same_password(url: str, as_of: str) -> None:
    redis = RedisClient(url, budget_seconds=PATIENT)
    password = as_of.split("@", maxsplit=1)[0].split(":")[2]
    await redis.call("CONFIG", "SET", "requirepass", password)
    await redis.close()


async def test_without_redis_budgets_refuse(stage: Stage):
    replica = await stage.replica()
    await replica.reserve(DOLLAR)
    stage.down()
    for _ in range(20):
        with pytest.raises(Unavailable) as refused:
            await replica.reserve(DOLLAR)
        assert refused.value.retry_after_seconds >= 1


async def test_a_tenant_that_may_go_on_has_a_share_of_what_is_left(stage: Stage):
    replica, other = await stage.replica(), await stage.replica()
    await replica.replicas.beat()
    stage.ledger.spent["tenant:ten_a"] = DOLLAR
    stage.down()
    for each in (replica, other):
        granted = await each.reserve(9 * DOLLAR, on_outage="allow")
        assert granted.local
        assert granted.amount_micro_usd == 2 * DOLLAR
        with pytest.raises(BudgetExhausted):
            await each.reserve(1, on_outage="allow")


async def test_what_was_spent_during_an_outage_counts_afterwards_once(stage: Stage):
    replica = await stage.replica()
    shared = await replica.reserve(2 * DOLLAR)
    stage.down()
    local = await replica.reserve(DOLLAR, on_outage="allow")
    await replica.settle(shared, DOLLAR)
    await replica.settle(local, DOLLAR // 2)
    stage.up()
    await replica.back()
    for _ in range(3):
        await replica.gate._tend()
    rest = await replica.reserve(9 * DOLLAR)
    assert not rest.local
    assert rest.amount_micro_usd == 5 * DOLLAR - DOLLAR * 3 // 2


async def test_spending_that_the_ledger_has_told_already_is_not_counted_again(stage: Stage):
    replica = await stage.replica(ledger_delay=0)
    reservation = await replica.reserve(2 * DOLLAR)
    stage.down()
    await replica.settle(reservation, DOLLAR)
    stage.ledger.spent["tenant:ten_a"] = DOLLAR
    await asyncio.sleep(0.01)
    stage.up()
    await replica.back()
    await replica.redis.call("FLUSHALL")
    first = await replica.reserve(DOLLAR)  # learns from the ledger
    await replica.settle(first, 0)
    await replica.gate._tend()  # now delivers what it could not
    assert (await replica.reserve(9 * DOLLAR)).amount_micro_usd == 4 * DOLLAR


async def test_a_reservation_of_unknown_fate_does_not_hold_for_a_whole_lease(stage: Stage):
    """The grant was made, but its reply was lost with the connection."""
    replica = await stage.replica()
    await replica.settle(await replica.reserve(1), 0)
    stage.proxy.requested.clear()
    stage.proxy.replies.clear()
    asking = asyncio.create_task(replica.reserve(5 * DOLLAR))
    await stage.proxy.requested.wait()
    await asyncio.sleep(0.02)  # Redis has it by now
    stage.proxy.cut()
    stage.proxy.replies.set()
    with pytest.raises(Unavailable):
        await asking
    await replica.back()
    await replica.gate._tend()
    assert (await replica.reserve(5 * DOLLAR)).amount_micro_usd == 5 * DOLLAR


async def test_a_cancelled_reservation_holds_nothing(stage: Stage):
    replica = await stage.replica()
    await replica.settle(await replica.reserve(1), 0)
    stage.proxy.requested.clear()
    stage.proxy.replies.clear()
    asking = asyncio.create_task(replica.reserve(5 * DOLLAR))
    await stage.proxy.requested.wait()
    asking.cancel()
    stage.proxy.replies.set()
    await asyncio.gather(asking, return_exceptions=True)
    await asyncio.gather(*replica.gate._ending)
    assert (await replica.reserve(5 * DOLLAR)).amount_micro_usd == 5 * DOLLAR


async def test_a_settlement_is_not_stopped_by_the_cancellation_of_its_caller(stage: Stage):
    replica = await stage.replica()
    reservation = await replica.reserve(5 * DOLLAR)
    link = replica.redis._linking.link
    assert link is not None
    link.lose("a test cuts it")
    settling = asyncio.create_task(replica.settle(reservation, DOLLAR))
    await asyncio.sleep(0)  # it is still to connect
    settling.cancel()
    await asyncio.gather(settling, return_exceptions=True)
    assert settling.cancelled()
    await asyncio.gather(*replica.gate._ending)
    assert (await replica.reserve(9 * DOLLAR)).amount_micro_usd == 4 * DOLLAR


async def test_a_second_outage_begins_with_what_was_spent_by_then(stage: Stage):
    replica = await stage.replica()
    stage.down()
    await replica.settle(await replica.reserve(DOLLAR, on_outage="allow"), DOLLAR)
    stage.up()
    await replica.back()
    await replica.gate._tend()
    stage.ledger.spent["tenant:ten_a"] = 3 * DOLLAR
    await replica.settle(await replica.reserve(DOLLAR), 0)
    stage.down()
    granted = await replica.reserve(9 * DOLLAR, on_outage="allow")
    assert granted.local
    assert granted.amount_micro_usd == 2 * DOLLAR


async def test_a_redis_that_was_emptied_is_told_what_is_held_before_it_grants(stage: Stage):
    one, other = await stage.replica(recovery=0.2), await stage.replica(recovery=0.2)
    await asyncio.sleep(0.2)  # a new Redis, too, may have been emptied
    streaming = await one.reserve(2 * DOLLAR)
    ended = await one.reserve(2 * DOLLAR)
    await one.settle(ended, DOLLAR)
    stage.ledger.spent["tenant:ten_a"] = DOLLAR
    ending = await one.reserve(DOLLAR)
    await one.gate._tend()  # has just given its signs of life
    await one.redis.call("FLUSHALL")
    with pytest.raises(Unavailable):
        await other.reserve(DOLLAR)
    await one.settle(ending, DOLLAR)  # Redis knows nothing of it, and the ledger not yet
    await one.replicas.beat()
    await one.gate._tend()  # as `run` does when it is told of the loss
    with pytest.raises(Unavailable):
        await other.reserve(DOLLAR)
    await asyncio.sleep(0.2)
    # 5 - 1 in the ledger - 1 settled since - 2 held
    rest = await other.reserve(9 * DOLLAR)
    assert rest.amount_micro_usd == DOLLAR
    await other.settle(rest, 0)
    await one.settle(streaming, 2 * DOLLAR)
    assert (await other.reserve(9 * DOLLAR)).amount_micro_usd == DOLLAR


async def test_run_puts_back_what_was_lost_and_delivers_by_itself(stage: Stage):
    replica = await stage.replica()
    await replica.gate._tend()  # its next sign of life is not due for seconds
    running = asyncio.create_task(replica.gate.run())
    reservation = await replica.reserve(5 * DOLLAR)
    await replica.redis.call("FLUSHALL")
    await replica.replicas.beat()
    key = _Keys(TENANT).account(Account("tenant:ten_a", period_of("day", datetime.now(UTC))))[1]
    while await replica.redis.call("ZCARD", key) == 0:  # noqa: ASYNC110 - Redis tells nobody
        await asyncio.sleep(0.005)
    with pytest.raises(BudgetExhausted):
        await replica.reserve(1)
    await replica.settle(reservation, 0)
    running.cancel()


async def test_recovering_is_an_outage_for_those_who_may_go_on(stage: Stage):
    replica = await stage.replica(recovery=1000)
    with pytest.raises(Recovering):
        await replica.gate._money._books._await_recovery()
    with pytest.raises(Unavailable) as refused:
        await replica.reserve(DOLLAR)
    assert 900 < refused.value.retry_after_seconds <= 1000
    assert (await replica.reserve(DOLLAR, on_outage="allow")).local


async def test_a_redis_that_began_from_an_old_copy_is_brought_up_to_date(stage: Stage):
    replica = await stage.replica()
    await replica.settle(await replica.reserve(DOLLAR), DOLLAR)
    stage.ledger.spent["tenant:ten_a"] = 3 * DOLLAR  # all but a dollar after the copy was made
    await replica.redis.call("DEL", "carrel:{replicas}:mark")
    await replica.replicas.beat()
    await replica.settle(await replica.reserve(1), 0)
    await replica.audited()
    assert (await replica.reserve(9 * DOLLAR)).amount_micro_usd == 2 * DOLLAR


async def test_who_was_killed_is_not_counted_by_the_audit_and_when_its_hold_ends(stage: Stage):
    """A replica that starts in a dead one's place finds its spending in the ledger."""
    dead = await stage.replica(lease=0.1)
    lost = await dead.reserve(2 * DOLLAR)
    stage.ledger.spent["tenant:ten_a"] = stage.ledger.requests[lost.request_id] = DOLLAR
    replica = await stage.replica()
    await replica.settle(await replica.reserve(1), 0)
    await replica.audited()
    all_but_its = await replica.reserve(9 * DOLLAR, least=4 * DOLLAR)
    assert all_but_its.amount_micro_usd == 4 * DOLLAR


async def test_all_keys_of_the_gate_expire_and_a_tenants_share_a_slot(stage: Stage):
    replica = await stage.replica()
    admission = await replica.gate.admit(
        TENANT,
        RequestId("req_x"),
        [Scope("tenant:ten_a", Limits(5, 1000, 5)), Scope("key:key_a", Limits(5, 1000, 5))],
        10,
    )
    reservation = await replica.reserve(DOLLAR)
    await replica.settle(await replica.reserve(DOLLAR), DOLLAR)
    keys = [key.decode() for key in await replica.redis.call("KEYS", "*")]
    assert len(keys) > 8
    for key in keys:
        assert await replica.redis.call("PTTL", key) > 0
        assert key.startswith(("carrel:{ten_a}:", "carrel:{replicas}:"))
    await replica.gate.finish(admission, reservation)
