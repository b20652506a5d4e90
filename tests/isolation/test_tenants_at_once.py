"""Three tenants do everything at once, in thousands of random orders: each sees its own alone.

Each has callers of several groups, is moved from tier to tier meanwhile, and is erased now and
then. `ISOLATION_OPERATIONS` sets how many operations are made at least on the fastest backend.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from tests.isolation.backends import Backend
from tests.isolation.canary import SUBJECTS, Tally
from tests.isolation.operations import (
    DOCUMENT_IDS,
    SIGHTS,
    Caller,
    Operation,
    Upload,
    callers,
    operations,
)
from tests.isolation.park import Park
from tests.isolation.stack import Api, opened
from tests.isolation.tally import TALLY

from carrel.database.tables import erasures, moves

TENANTS = 3
FIRST_UPLOADS = [
    Upload(Caller(tenant, 0), name, SUBJECTS[number], (), {"lang": "en"}, waits=True)
    for tenant in range(TENANTS)
    for number, name in enumerate(DOCUMENT_IDS[:4])
]
OPERATIONS = int(os.environ.get("ISOLATION_OPERATIONS", "3000"))


class TenantsAtOnce(RuleBasedStateMachine):
    """New tenants in a stack that all examples share: it fills up with others' documents."""

    runner: ClassVar[asyncio.Runner]
    api: ClassVar[Api]
    tally: ClassVar[Tally]

    @initialize()
    def arrive(self) -> None:
        self.park = self.runner.run(Park.made(self.api, TENANTS, self.tally))
        self.runner.run(self.park.all_at_once(FIRST_UPLOADS))

    @rule(batch=st.lists(operations(TENANTS), min_size=1, max_size=10))
    def do_all_at_once(self, batch: list[Operation]) -> None:
        self.runner.run(self.park.all_at_once(batch))

    @rule(caller=callers(TENANTS), subject=st.sampled_from(SUBJECTS))
    def look_around(self, caller: Caller, subject: str) -> None:
        self.runner.run(self.park.look_around(caller, subject))

    @rule(tenant=st.integers(0, TENANTS - 1))
    def settle(self, tenant: int) -> None:
        self.runner.run(self.park.settle(tenant))

    @rule(tenant=st.integers(0, TENANTS - 1), waits=st.booleans(), chance=st.integers(0, 9))
    def leave(self, tenant: int, waits: bool, chance: int) -> None:
        if chance == 0:
            self.runner.run(self.park.leave(tenant, waits=waits))


@pytest.mark.timeout(max(300, OPERATIONS // 10))
def test_whatever_tenants_do_at_once_each_sees_its_own_documents_alone(
    backend: Backend,
    runner: asyncio.Runner,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    stack = opened(tmp_path / "data", backend)
    TenantsAtOnce.runner, TenantsAtOnce.tally = runner, Tally()
    TenantsAtOnce.api = runner.run(stack.__aenter__())
    tally = TenantsAtOnce.tally
    try:
        while tally.operations < OPERATIONS * backend.share:
            run_state_machine_as_test(
                TenantsAtOnce,
                settings=settings(
                    max_examples=10,
                    stateful_step_count=30,
                    deadline=None,
                    database=None,
                    # A stack that has seen thousands of operations is never twice the same.
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        runner.run(check_ends(TenantsAtOnce.api))
    finally:
        runner.run(stack.__aexit__(None, None, None))
    record_property(
        TALLY,
        f"{tally.operations:,} operations of {TENANTS} tenants of {len(SIGHTS)} callers at a time, "
        f"{tally.moves:,} moves between tiers and {tally.erasures:,} erasures meanwhile, on "
        f"{backend}: {tally.passages:,} passages seen, {len(tally.foreign)} foreign items",
    )
    assert tally.passages > tally.operations / 10, "too little was found to prove anything"
    assert tally.foreign == []


async def check_ends(api: Api) -> None:
    """Every erasure comes to its end with nothing left, and no move fails but for an erasure."""
    database = api.services.database
    query = select(erasures.c.id)
    for row in await database.fetch(query):
        erasure = await api.services.erasures.wait(row.id, seconds=30)
        assert (erasure.status, set(erasure.left.values())) == ("done", {0}), erasure
    failed = await database.fetch(select(moves.c.error).where(moves.c.status == "failed"))
    assert {row.error for row in failed} <= {"the tenant is being erased"}
