"""Postgres over asyncpg."""

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from sqlalchemy import URL, ClauseElement, Executable, Row
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

POOL_TIMEOUT_SECONDS = 5


class Postgres:
    """A pool of connections to one server."""

    def __init__(self, url: URL, *, pool_size: int) -> None:
        self._engine = create_async_engine(
            url,
            pool_size=pool_size,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,  # in errors, which are logged
        )
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def fetch(
        self, query: Executable, parameters: Mapping[str, Any] | None
    ) -> Sequence[Row[*tuple[Any, ...]]]:
        async with self._autocommit.connect() as connection:
            return (await connection.execute(query, parameters)).all()

    def quick(self, query: ClauseElement) -> None:
        """A server answers over the network: nothing is read at once."""

    @contextlib.asynccontextmanager
    async def transaction(
        self, *, writes: bool, brief: bool = False
    ) -> AsyncGenerator[AsyncConnection]:
        async with self._engine.begin() as connection:
            yield connection

    async def close(self) -> None:
        await self._engine.dispose()
