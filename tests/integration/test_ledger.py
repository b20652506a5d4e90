from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from carrel.database.engine import Database
from carrel.domain.answer import TokenUsage
from carrel.domain.errors import InvalidRequest, Unavailable
from carrel.domain.ids import KeyId, RequestId, TenantId
from carrel.domain.usage import UsageEvent
from carrel.usage.ledger import Ledger
from carrel.usage.report import usage_report

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
EVENT = UsageEvent(
    request_id=RequestId("req_1"),
    tenant_id=TenantId("ten_a"),
    key_id=KeyId("key_a"),
    at=NOON,
    route="/v1/query",
    model="m",
    cache_status="miss",
    usage=TokenUsage(100, 20, 7, 250, 0),
)


async def sums(database: Database, tenant: str | None = "ten_a", bucket: str = "day"):
    return await usage_report(
        database,
        TenantId(tenant) if tenant else None,
        start=NOON - timedelta(days=2),
        end=NOON + timedelta(days=2),
        bucket=bucket,  # pyright: ignore[reportArgumentType]
    )


async def test_an_event_is_counted_once_however_often_it_is_written(database: Database):
    ledger = ledger_of(database, tmp_path)
    for _ in range(3):
        ledger.record(EVENT)
        await ledger.flush()
    [day] = await sums(database)
    assert (day.requests, day.prompt_tokens, day.cost_micro_usd) == (1, 100, 250)


async def test_closing_writes_what_is_left(database: Database):
    ledger = ledger_of(database, tmp_path)
    for i in range(1200):
        ledger.record(replace(EVENT, request_id=RequestId(f"req_{i}")))
    await ledger.close()
    assert [day.requests for day in await sums(database)] == [1200]


async def test_what_cannot_be_written_is_kept(database: Database):
    nowhere = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    ledger = ledger_of(nowhere, tmp_path)
    ledger.record(EVENT)
    with pytest.raises(Unavailable):
        await ledger.flush()
    ledger._database = database
    ledger._insert = ledger_of(database, tmp_path)._insert
    await ledger.flush()
    assert [day.requests for day in await sums(database)] == [1]
    await nowhere.close()


async def test_a_report_is_by_bucket_and_by_tenant(database: Database):
    ledger = ledger_of(database, tmp_path)
    ledger.record(EVENT)
    ledger.record(replace(EVENT, request_id=RequestId("r2"), at=LATER, cache_status="exact"))
    ledger.record(replace(EVENT, request_id=RequestId("r3"), tenant_id=TenantId("ten_b")))
    await ledger.flush()
    hours = await sums(database, bucket="hour")
    assert [(each.start, each.requests, each.cache_hits) for each in hours] == [
        (NOON, 1, 0),
        (NOON + timedelta(hours=1), 1, 1),
    ]
    assert [each.requests for each in await sums(database, None)] == [3]


async def test_an_empty_range_is_refused(database: Database):
    with pytest.raises(InvalidRequest):
        await usage_report(database, None, start=NOON, end=NOON, bucket="day")
