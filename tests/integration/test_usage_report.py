from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.integration.test_ledger import EVENT, NOON

from carrel.database.engine import Database
from carrel.domain.answer import TokenUsage
from carrel.domain.errors import InvalidRequest
from carrel.domain.ids import KeyId, RequestId, TenantId
from carrel.domain.usage import UsageEvent
from carrel.usage.ledger import Ledger
from carrel.usage.report import sums, usage_report


@pytest.fixture
async def filled(database: Database, tmp_path: Path) -> Database:
    """Four events of two tenants over two hours and two days."""
    ledger = Ledger(database, tmp_path / "usage", count_tokens=len)
    for number, changes in enumerate(
        (
            {},
            {"at": NOON + timedelta(minutes=59, seconds=59), "cache_status": "exact"},
            {"at": NOON + timedelta(hours=1), "key_id": KeyId("key_b"), "unfinished": True},
            {
                "at": datetime(2026, 5, 5, 0, 0, tzinfo=UTC),
                "tenant_id": TenantId("ten_b"),
                "model": "n",
                "usage": TokenUsage(1, 1, 1, None, 9),
            },
        )
    ):
        ledger.record(_changed(number, changes))
    await ledger.close()
    return database


def _changed(number: int, changes: dict[str, Any]) -> UsageEvent:
    return replace(EVENT, request_id=RequestId(f"req_{number}"), **changes)


async def report(database: Database, tenant: str | None = None, **options: Any):
    return await usage_report(
        database,
        TenantId(tenant) if tenant else None,
        start=NOON - timedelta(days=2),
        end=NOON + timedelta(days=2),
        **{"bucket": "day", **options},
    )


async def test_a_report_is_by_bucket_and_by_tenant(filled: Database):
    hours = await report(filled, "ten_a", bucket="hour")
    assert [(each.start, each.requests, each.cache_hits, each.unfinished) for each in hours] == [
        (NOON, 2, 1, 0),
        (NOON + timedelta(hours=1), 1, 0, 1),
    ]
    days = await report(filled)
    assert [(each.start.day, each.requests, each.cost_micro_usd) for each in days] == [
        (4, 3, 750),
        (5, 1, 0),
    ]
    assert (days[1].unpriced, days[1].saved_micro_usd, days[1].group) == (1, 9, None)


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        ("tenant", [("ten_a", 3), ("ten_b", 1)]),
        ("model", [("m", 3), ("n", 1)]),
        ("key", [("key_a", 2), ("key_b", 1), ("key_a", 1)]),
    ],
)
async def test_a_report_is_by_group(filled: Database, group_by: str, groups: list[Any]):
    found = await report(filled, group_by=group_by)
    assert [(each.group, each.requests) for each in found] == groups


async def test_an_empty_range_is_refused(database: Database):
    with pytest.raises(InvalidRequest):
        await usage_report(database, None, start=NOON, end=NOON, bucket="day")


async def test_the_database_does_the_sums(database: Database):
    query = sums("day", "tenant", is_sqlite=database.is_sqlite)
    plan = query.compile(compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    steps = " ".join(str(row) for row in await database.fetch(text(f"{explain} {plan}")))
    assert "GROUP BY" in steps if database.is_sqlite else "Aggregate" in steps


@pytest.mark.parametrize("column", ["tenant_id", "key_id"])
async def test_what_was_spent_is_read_from_an_index(database: Database, column: str):
    query = (
        f"SELECT sum(cost_micro_usd) FROM usage_events WHERE {column} = 'x' AND at >= '2026-05-04'"
    )
    async with database.read() as transaction:
        if database.is_sqlite:
            plan = await transaction.execute(text(f"EXPLAIN QUERY PLAN {query}"))
        else:  # which would rather read the whole of an empty table
            await transaction.execute(text("SET LOCAL enable_seqscan = off"))
            plan = await transaction.execute(text(f"EXPLAIN {query}"))
        steps = str(plan.all())
    assert f"ix_usage_events_{column}_at" in steps
    assert "COVERING INDEX" in steps or not database.is_sqlite
