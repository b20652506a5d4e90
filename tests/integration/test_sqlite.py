"""What only SQLite needs: statements run in threads, and a cancelled one is not abandoned."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import OperationalError

from carrel.database.sqlite import Sqlite


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Sqlite]:
    opened = Sqlite(make_url(f"sqlite:///{tmp_path / 'x.db'}"), pool_size=2)
    async with opened.transaction(writes=True) as transaction:
        await transaction.execute(text("CREATE TABLE t (n INTEGER)"))
    yield opened
    await opened.close()


async def count(sqlite: Sqlite) -> int:
    return (await sqlite.fetch(text("SELECT count(*) FROM t"), None))[0][0]


async def test_the_event_loop_does_not_wait_for_a_statement(sqlite: Sqlite):
    go_on = threading.Event()

    def wait(_: Connection) -> bool:
        return go_on.wait(10)

    async with sqlite.transaction(writes=True) as transaction:
        waiting = asyncio.ensure_future(transaction.run_sync(wait))
        await asyncio.sleep(0)
        go_on.set()
        assert await waiting


async def test_a_cancelled_writer_changes_nothing_and_frees_its_connection(sqlite: Sqlite):
    begun, go_on = threading.Event(), threading.Event()

    def insert(connection: Connection) -> None:
        connection.execute(text("INSERT INTO t VALUES (1)"))
        begun.set()
        go_on.wait(10)

    async def write() -> None:
        async with sqlite.transaction(writes=True) as transaction:
            await transaction.run_sync(insert)

    writing = asyncio.ensure_future(write())
    await asyncio.to_thread(begun.wait, 10)
    writing.cancel()
    await asyncio.sleep(0)
    writing.cancel()  # impatient, and still it must wait for the thread
    await asyncio.sleep(0)
    assert not writing.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await count(sqlite) == 0
    async with sqlite.transaction(writes=True) as transaction:
        await transaction.execute(text("INSERT INTO t VALUES (2)"))
    assert await count(sqlite) == 1


async def test_a_reader_sees_what_was_committed_while_another_writes(sqlite: Sqlite):
    async with sqlite.transaction(writes=True) as transaction:
        await transaction.execute(text("INSERT INTO t VALUES (1)"))
        assert await count(sqlite) == 0
    assert await count(sqlite) == 1


async def test_a_writer_of_another_process_is_waited_for_and_then_given_up(
    sqlite: Sqlite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("carrel.database.sqlite.BUSY_TIMEOUT_SECONDS", 0.3)
    other = Sqlite(make_url(f"sqlite:///{tmp_path / 'x.db'}"), pool_size=2)

    async def write() -> None:
        async with other.transaction(writes=True, brief=True) as transaction:
            await transaction.execute(text("INSERT INTO t VALUES (2)"))

    async with sqlite.transaction(writes=True) as transaction:
        await transaction.execute(text("INSERT INTO t VALUES (1)"))
        with pytest.raises(OperationalError, match="locked"):
            await write()
        waiting = asyncio.ensure_future(write())
        await asyncio.sleep(0.05)
        assert not waiting.done()
    await waiting
    assert await count(sqlite) == 2
    await other.close()


async def test_a_writer_that_is_cancelled_while_it_waits_holds_nothing_up(
    sqlite: Sqlite, tmp_path: Path
):
    other = Sqlite(make_url(f"sqlite:///{tmp_path / 'x.db'}"), pool_size=2)

    async def write() -> None:
        async with other.transaction(writes=True) as transaction:
            await transaction.execute(text("INSERT INTO t VALUES (2)"))

    async with sqlite.transaction(writes=True):
        waiting = asyncio.ensure_future(write())
        await asyncio.sleep(0.05)
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await waiting
    async with sqlite.transaction(writes=True, brief=True) as transaction:
        await transaction.execute(text("INSERT INTO t VALUES (1)"))
    assert await count(sqlite) == 1, cancelled
    await other.close()


@pytest.mark.parametrize("brief", [True, False])
async def test_statements_of_a_brief_transaction_run_in_the_calling_thread(
    sqlite: Sqlite, brief: bool
):
    def add_function(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.create_function("thread", 0, threading.get_ident)

    async with sqlite.transaction(writes=True, brief=brief) as transaction:
        await transaction.run_sync(add_function)
        ran_in = (await transaction.execute(text("SELECT thread()"))).scalar_one()
    assert (ran_in == threading.get_ident()) is brief


async def test_a_brief_transaction_changes_nothing_when_it_fails(sqlite: Sqlite):
    async def fail() -> None:
        async with sqlite.transaction(writes=True, brief=True) as transaction:
            await transaction.execute(text("INSERT INTO t VALUES (1)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await count(sqlite) == 0
    async with sqlite.transaction(writes=True, brief=True) as transaction:
        await transaction.execute(text("INSERT INTO t VALUES (:n)"), [{"n": 1}, {"n": 2}])
    assert await count(sqlite) == 2
