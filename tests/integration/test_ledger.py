import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from carrel.database.engine import Database
from carrel.database.tables import usage_events
from carrel.domain.answer import TokenUsage
from carrel.domain.errors import Unavailable
from carrel.domain.ids import KeyId, RequestId, TenantId
from carrel.domain.usage import UsageEvent
from carrel.usage import entry, journal
from carrel.usage import ledger as ledger_module
from carrel.usage.journal import Opened
from carrel.usage.ledger import Ledger
from carrel.usage.prices import Price

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
ACME, KEY = TenantId("ten_a"), KeyId("key_a")
EVENT = UsageEvent(
    request_id=RequestId("req_1"),
    tenant_id=ACME,
    key_id=KEY,
    at=NOON,
    route="/v1/query",
    model="m",
    cache_status="miss",
    usage=TokenUsage(100, 20, 7, 250, 0),
)
OPENED = Opened(
    request_id=RequestId("req_1"),
    tenant_id=ACME,
    key_id=KEY,
    at=NOON,
    route="/v1/query",
    model="m",
    prompt_tokens=100,
    max_tokens=512,
    embedding_tokens=7,
    price=Price(Decimal(2), Decimal(3)),
)
Make = Callable[[Database], Ledger]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda database: Ledger(
        database, tmp_path / "usage", count_tokens=lambda text: len(text.split())
    )


@pytest.fixture
def nowhere() -> Database:
    return Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")


def event(number: int, **changes: object) -> UsageEvent:
    return replace(EVENT, request_id=RequestId(f"req_{number}"), **changes)


def killed(ledger: Ledger) -> None:
    """What kill -9 leaves: a file on disk whose lock is free, and nothing in memory."""
    os.close(ledger._journal._file.descriptor)


def files(tmp_path: Path) -> list[str]:
    return sorted(path.suffix for path in (tmp_path / "usage").iterdir())


async def rows(database: Database):
    return await database.fetch(select(usage_events).order_by(usage_events.c.request_id))


async def test_an_event_is_written_once_however_often_it_is_recorded(
    database: Database, make: Make
):
    ledger = make(database)
    for _ in range(3):
        ledger.record(EVENT)
        await ledger.flush()
    [row] = await rows(database)
    assert (row.request_id, row.prompt_tokens, row.cost_micro_usd) == ("req_1", 100, 250)
    assert row.unfinished is False


async def test_closing_writes_what_is_left_and_leaves_no_file(
    database: Database, make: Make, tmp_path: Path
):
    ledger = make(database)
    for number in range(1200):
        ledger.record(event(number))
    await ledger.close()
    assert len(await rows(database)) == 1200
    assert files(tmp_path) == []


async def test_events_of_a_killed_process_are_written_by_the_next(
    database: Database, make: Make, tmp_path: Path
):
    dead, living = make(database), make(database)
    for number in range(30):
        dead.record(event(number))
    assert await living.recover() == 0  # it lives
    killed(dead)
    assert await living.recover() == 30
    assert await living.recover() == 0
    assert len(await rows(database)) == 30
    assert files(tmp_path) == [".live"]


async def test_an_event_already_in_sql_is_not_counted_again_by_recovery(
    database: Database, make: Make
):
    dead, living = make(database), make(database)
    dead.record(EVENT)
    await dead.flush()
    killed(dead)
    await living.recover()
    assert len(await rows(database)) == 1


async def test_a_request_that_died_half_way_is_charged_for_what_it_is_known_to_have_used(
    database: Database, make: Make, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(entry, "PROGRESS_SECONDS", 0)
    dead, living = make(database), make(database)
    dead.open(replace_opened("req_1")).wrote("four words of answer")
    dead.open(replace_opened("req_2", price=None))
    dead.open(replace_opened("req_3"))
    dead.record(event(3))
    killed(dead)
    await living.recover()
    assert [
        (row.request_id, row.unfinished, row.prompt_tokens, row.completion_tokens)
        for row in await rows(database)
    ] == [("req_1", True, 100, 4), ("req_2", True, 100, 0), ("req_3", False, 100, 20)]
    assert [row.cost_micro_usd for row in await rows(database)] == [212, None, 250]


def replace_opened(request_id: str, **changes: object) -> Opened:
    fields = {name: getattr(OPENED, name) for name in OPENED.__struct_fields__}
    return Opened(**{**fields, "request_id": request_id, **changes})


async def test_a_line_that_was_cut_short_spoils_no_other(
    database: Database, make: Make, tmp_path: Path
):
    dead, living = make(database), make(database)
    dead.record(event(1))
    dead.record(event(2))
    path = dead._journal._file.path
    path.write_bytes(path.read_bytes()[:-40])
    killed(dead)
    assert await living.recover() == 1


async def test_while_sql_is_down_memory_is_bounded_and_nothing_is_lost(
    database: Database,
    nowhere: Database,
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(ledger_module, "MAX_PENDING", 100)
    ledger = make(nowhere)
    still_open = ledger.open(replace_opened("req_open"))
    for number in range(1050):
        ledger.record(event(number))
        assert len(ledger._pending) <= 100
        if number % 200 == 0:
            with pytest.raises(Unavailable):
                await ledger.flush()
    with pytest.raises(Unavailable):
        await ledger.recover()
    await nowhere.close()
    ledger._database, ledger._insertion = database, make(database)._insertion
    await ledger.flush()
    await ledger.recover()
    assert len(await rows(database)) == 1050  # and not the one that is still being written
    still_open.wrote("more")
    ledger.record(replace(EVENT, request_id=RequestId("req_open")))
    await ledger.close()
    assert [row.unfinished for row in await rows(database)] == [False] * 1051


async def test_what_is_open_when_memory_is_full_is_reconciled_after_a_kill(
    database: Database, nowhere: Database, make: Make, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ledger_module, "MAX_PENDING", 10)
    dead, living = make(nowhere), make(database)
    dead.open(replace_opened("req_open"))
    for number in range(25):
        dead.record(event(number))
    killed(dead)
    assert await living.recover() == 26
    assert [row.request_id for row in await rows(database) if row.unfinished] == ["req_open"]


async def test_what_is_open_survives_a_change_of_files(
    database: Database, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(ledger_module, "ROLL_BYTES", 2_000)
    monkeypatch.setattr(entry, "PROGRESS_SECONDS", 0)
    dead, living = make(database), make(database)
    dead.open(replace_opened("req_open")).wrote("three words now")
    for number in range(20):
        dead.record(event(number))
        await dead.flush()
    assert dead._journal.size < 2_500
    assert files(tmp_path) == [".live", ".live"]
    killed(dead)
    await living.recover()
    unfinished = [row for row in await rows(database) if row.unfinished]
    assert [(row.request_id, row.completion_tokens) for row in unfinished] == [("req_open", 3)]


async def test_a_full_disk_fails_no_request_and_the_journal_is_whole_again_afterwards(
    database: Database, make: Make, monkeypatch: pytest.MonkeyPatch
):
    ledger, living = make(database), make(database)
    with monkeypatch.context() as full:
        full.setattr(journal.os, "write", cut_short)
        ledger.open(replace_opened("req_open"))
        ledger.record(event(1))
        assert not ledger._journal.intact
        await ledger.flush()
    assert len(await rows(database)) == 1
    await ledger.flush()
    assert ledger._journal.intact
    killed(ledger)
    await living.recover()
    assert [row.request_id for row in await rows(database)] == ["req_1", "req_open"]


async def test_a_record_that_did_not_fit_leaves_nothing_of_itself(
    database: Database, nowhere: Database, make: Make, monkeypatch: pytest.MonkeyPatch
):
    dead, living = make(nowhere), make(database)
    dead.record(event(1))
    with monkeypatch.context() as full:
        full.setattr(journal.os, "write", cut_short)
        dead.record(event(2))
    dead.record(event(3))
    killed(dead)
    assert await living.recover() == 2
    assert [row.request_id for row in await rows(database)] == ["req_1", "req_3"]


def cut_short(descriptor: int, data: bytes, write: Callable[[int, bytes], int] = os.write) -> int:
    return write(descriptor, data[:50])


async def test_processes_that_recover_together_write_each_event_once(
    database: Database, make: Make, tmp_path: Path
):
    dead = [make(database) for _ in range(5)]
    for number, each in enumerate(dead):
        for i in range(40):
            each.record(event(number * 40 + i))
    living = [make(database) for _ in range(3)]
    for each in dead:
        killed(each)
    counts = await asyncio.gather(*(each.recover() for each in living))
    assert sum(counts) == 200
    assert len(await rows(database)) == 200
    assert files(tmp_path) == [".live"] * 3


async def test_spent_sums_what_is_written_and_what_is_not_yet(database: Database, make: Make):
    ledger = make(database)
    ledger.record(event(1))
    await ledger.flush()
    ledger.record(event(2, at=LATER))
    ledger.record(event(3, at=LATER, key_id=KeyId("key_b")))
    ledger.record(event(4, at=LATER, tenant_id=TenantId("ten_b"), key_id=KeyId("key_c")))
    ledger.record(event(5, at=LATER, usage=TokenUsage(1, 1, 1, None)))
    assert await ledger.spent_since(ACME, f"tenant:{ACME}", NOON) == 750
    assert await ledger.spent_since(ACME, f"tenant:{ACME}", LATER) == 500
    assert await ledger.spent_since(ACME, f"key:{KEY}", NOON) == 500
    assert await ledger.spent_since(TenantId("ten_c"), "tenant:ten_c", NOON) == 0


async def test_spent_is_exact_while_events_are_being_written(database: Database, make: Make):
    ledger = make(database)
    for number in range(2_000):
        ledger.record(event(number))
    writing = asyncio.create_task(ledger.flush())
    while not writing.done():
        assert await ledger.spent_since(ACME, f"tenant:{ACME}", NOON) == 2_000 * 250
    assert await ledger.spent_since(ACME, f"tenant:{ACME}", NOON) == 2_000 * 250
