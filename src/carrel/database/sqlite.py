"""SQLite in threads: what may wait is a visit to a worker thread.

The asynchronous driver makes four visits a statement; a transaction of one
statement took 6.5 ms through it. Every writer starts with `BEGIN IMMEDIATE`: a
transaction that reads first and writes later would otherwise fail, or lose
updates, when another writer came between. Writers wait for each other only there,
so the statements of a brief transaction need no visits: it holds up others for less.
"""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, cast

from sqlalchemy import (
    URL,
    ClauseElement,
    Connection,
    CursorResult,
    Executable,
    Row,
    create_engine,
    event,
)
from sqlalchemy.dialects.sqlite.pysqlite import dialect
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql.compiler import SQLCompiler

from carrel.domain.errors import Unavailable

BUSY_TIMEOUT_SECONDS = 5.0
POOL_TIMEOUT_SECONDS = 5
_POLL_SECONDS = 0.001
_WRITE = "BEGIN IMMEDIATE"
_BUSY_TIMEOUT = f"PRAGMA busy_timeout={round(BUSY_TIMEOUT_SECONDS * 1000)}"
_PRAGMAS = (
    _BUSY_TIMEOUT,
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # what is acknowledged survives a power cut
    "PRAGMA foreign_keys=ON",
)
_P = ParamSpec("_P")
_T = TypeVar("_T")


class ThreadedTransaction:
    """A transaction whose statements run in threads, one after another."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(
        self, statement: Executable, parameters: Any = None
    ) -> CursorResult[*tuple[Any, ...]]:
        return await _in_thread(self._connection.execute, statement, parameters)

    async def run_sync(self, function: Callable[[Connection], _T]) -> _T:
        return await _in_thread(function, self._connection)


class BriefTransaction(ThreadedTransaction):
    """One whose statements run in the calling thread, but for those of many rows."""

    async def execute(
        self, statement: Executable, parameters: Any = None
    ) -> CursorResult[*tuple[Any, ...]]:
        has_many_rows = isinstance(parameters, list)
        if has_many_rows:
            return await super().execute(statement, parameters)
        return self._connection.execute(statement, parameters)


class Sqlite:
    """A pool of connections to one file."""

    def __init__(self, url: URL, *, pool_size: int) -> None:
        self._engine = create_engine(
            url.set(drivername="sqlite"),
            poolclass=QueuePool,
            pool_size=pool_size,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            connect_args={"check_same_thread": False},
            hide_parameters=True,  # in errors, which are logged
        )
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", _begin)
        self._reading = self._engine.execution_options(carrel_begin=_begin_reading)
        self._writing = self._engine.execution_options(carrel_begin=_begin_writing)
        # One writer at a time per process: waiting here is fair, to poll the file is not.
        self._turn = asyncio.Lock()
        self._quick: sqlite3.Connection | None = None

    async def fetch(
        self, query: Executable, parameters: Mapping[str, Any] | None
    ) -> Sequence[Row[*tuple[Any, ...]]]:
        def fetch() -> Sequence[Row[*tuple[Any, ...]]]:
            with self._engine.connect() as connection:
                return connection.execute(query, parameters).all()

        return await asyncio.to_thread(fetch)

    def quick(self, query: ClauseElement) -> Callable[[Mapping[str, Any]], list[Any]]:
        """Reads the rows of *query* in the calling thread, on a connection of its own.

        That takes microseconds, a visit to a thread ten times as long. In write-ahead mode a reader
        waits for nobody, but for one who repairs the file after a crash: it does not wait here.
        """
        compiled = cast(SQLCompiler, query.compile(dialect=dialect(paramstyle="named")))
        whole = str(compiled)
        has_lists = bool(compiled.post_compile_params)

        def read(parameters: Mapping[str, Any]) -> list[Any]:
            sql = whole
            if has_lists:
                expanded = compiled.construct_expanded_state(dict(parameters))
                sql, parameters = expanded.statement, expanded.parameters
            try:
                if self._quick is None:
                    self._quick = sqlite3.connect(str(self._engine.url.database), timeout=0)
                return self._quick.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise Unavailable("the metadata database does not answer at once") from error

        return read

    @contextlib.asynccontextmanager
    async def transaction(
        self, *, writes: bool, brief: bool = False
    ) -> AsyncGenerator[ThreadedTransaction]:
        turn = self._turn if writes else contextlib.nullcontext()
        engine = self._writing if writes else self._reading
        opened: list[Connection] = []

        def begin() -> None:
            opened.append(engine.connect())
            opened[0].begin()

        def commit() -> None:
            opened[0].commit()
            opened.pop().close()

        def roll_back() -> None:
            opened.pop().close()

        async with turn:
            try:
                await _in_thread(begin)
                yield (BriefTransaction if brief else ThreadedTransaction)(opened[0])
                await _in_thread(commit)
            finally:
                if opened:
                    await _in_thread(roll_back)

    async def close(self) -> None:
        if self._quick is not None:
            self._quick.close()
        await asyncio.to_thread(self._engine.dispose)


async def _in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """*function* in a thread; a cancelled caller leaves only when the thread is done.

    Otherwise the next statement, or the rollback, would meet a connection in use.
    """
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        raise


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: Connection) -> None:
    # Without a word on how to begin there is one query, which is a transaction by itself.
    if begin := connection.get_execution_options().get("carrel_begin"):
        begin(connection)


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_writing(connection: Connection) -> None:
    """Begin once no other process writes, which is a matter of milliseconds.

    SQLite itself would look again ever more rarely, after a tenth of a second at last.
    """
    driver = cast(sqlite3.Connection, connection.connection.driver_connection)
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while _is_busy(driver) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        if not driver.in_transaction:
            connection.exec_driver_sql(_WRITE)  # it raises what is raised everywhere
    finally:
        driver.execute(_BUSY_TIMEOUT)


def _is_busy(driver: sqlite3.Connection) -> bool:
    """Try to begin; whether that failed because another process writes."""
    try:
        driver.execute(_WRITE)
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return False
