"""The metadata database, SQLite or Postgres: queries, and transactions."""

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import ClauseElement, Connection, CursorResult, Executable, Row, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from carrel.domain.errors import StorageFull, Unavailable

_T = TypeVar("_T")


class Transaction(Protocol):
    """An open transaction; it ends with the block that opened it."""

    async def execute(
        self, statement: Executable, parameters: Any = None, /
    ) -> CursorResult[*tuple[Any, ...]]:
        """The statement's outcome, with all its rows."""
        ...

    async def run_sync(self, function: Callable[[Connection], _T], /) -> _T:
        """What *function* makes of the plain connection."""
        ...


# From a query's parameters to its rows, as the database holds them: JSON is text. Raises
# `Unavailable` where it would have to wait.
QuickRead = Callable[[Mapping[str, Any]], Sequence[Sequence[Any]]]


class Database:
    """The metadata database. Everything may raise `Unavailable` and `StorageFull`."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            from carrel.database.sqlite import Sqlite as Backend
        else:
            from carrel.database.postgres import Postgres as Backend
        self._backend = Backend(parsed, pool_size=pool_size)
        self._quick: dict[ClauseElement, QuickRead | None] = {}

    async def fetch(
        self, query: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Row[*tuple[Any, ...]]]:
        """The rows of one query, in no transaction but its own: the cheapest way to read."""
        with _translated():
            return await self._backend.fetch(query, parameters)

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncGenerator[Transaction]:
        """A transaction that only reads."""
        with _translated():
            async with self._backend.transaction(writes=False) as transaction:
                yield transaction

    @contextlib.asynccontextmanager
    async def write(self, *, brief: bool = False) -> AsyncGenerator[Transaction]:
        """A transaction that may write; committed at the end, rolled back on an error.

        The statements of a *brief* one touch few rows, by their keys: where a file holds them, they
        are carried out in the calling thread. What reads many goes through `run_sync`.
        """
        with _translated():
            async with self._backend.transaction(writes=True, brief=brief) as transaction:
                yield transaction

    def quick(self, query: ClauseElement) -> QuickRead | None:
        """What reads a few rows by *query* at once, in the calling thread; None: a server has to.

        A query that was compiled for this is not compiled again.
        """
        if query not in self._quick:
            self._quick[query] = self._backend.quick(query)
        return self._quick[query]

    async def few(
        self, query: ClauseElement, parameters: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """The few rows that *query* finds by their keys: at once where a file holds them.

        JSON may come as text.
        """
        if read := self.quick(query):
            with contextlib.suppress(Unavailable):  # it would have to wait: in a thread, then
                return read(parameters)
        return await self.fetch(cast(Executable, query), parameters)

    async def ping(self) -> None:
        """Raises `Unavailable` when the database does not answer."""
        await self.fetch(text("SELECT 1"))

    async def close(self) -> None:
        await self._backend.close()


@contextlib.contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError, OSError) as error:
        raise _condition(error) from error
    except DBAPIError as error:
        if error.connection_invalidated or _is_disk_full(error):
            raise _condition(error) from error
        raise


def _condition(error: Exception) -> Exception:
    if _is_disk_full(error):
        return StorageFull("the metadata database's disk is full: free space and try again")
    return Unavailable("the metadata database does not answer; try again shortly")


def _is_disk_full(error: Exception) -> bool:
    message = str(error).lower()
    return "disk is full" in message or "no space left" in message
