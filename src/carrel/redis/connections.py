"""Connections to Redis, kept for the next command.

A connection is either idle, with nothing unread, or held by one command. It
becomes idle again only through `give_back`, after its reply was read whole; in
every other case it is dropped. So no command can read the reply of another.
"""

import asyncio
from typing import Any, cast

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

CONNECT_SECONDS = 2.0


class Connections:
    """At most *size* connections to the Redis at *url* (`redis://`, `rediss://` or `unix://`)."""

    def __init__(self, url: str, size: int) -> None:
        # Of the library's pool only the reading of the URL is used. Its own rule, that a
        # connection is given back whatever became of its reply, is not ours.
        self._source = cast(Any, ConnectionPool).from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,
            socket_connect_timeout=CONNECT_SECONDS,
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._slots = asyncio.Semaphore(size)
        self._idle: list[AbstractConnection] = []
        self._opening: set[asyncio.Task[AbstractConnection]] = set()

    @property
    def where(self) -> str:
        """Host and port, or the socket's path: without the password."""
        at = self._source.connection_kwargs
        return str(at.get("path") or f"{at.get('host', 'localhost')}:{at.get('port', 6379)}")

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def full(self) -> bool:
        """Whether a slot would have to be waited for."""
        return self._slots.locked()

    async def slot(self) -> None:
        """Wait for the right to one connection; `leave_slot` gives it back."""
        await self._slots.acquire()

    def leave_slot(self) -> None:
        self._slots.release()

    async def take(self) -> AbstractConnection:
        """A connection with nothing unread, the last one used first; a new one if need be."""
        while self._idle:
            connection = self._idle.pop()
            # Redis restarted, or closed what was idle for long: can_read is true at the end, too.
            if not await _readable(connection):
                return connection
            drop(connection)
        opening = asyncio.create_task(self._open())
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The caller's time is up; a connection that comes later is for another.
            opening.add_done_callback(self._keep)
            raise

    def give_back(self, connection: AbstractConnection) -> None:
        """Keep *connection*, the reply of which was read whole."""
        self._idle.append(connection)

    async def close(self) -> None:
        for opening in [*self._opening]:
            opening.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        await asyncio.sleep(0)  # one that was open by then is kept in this turn of the loop
        self.drop_idle()
        await asyncio.sleep(0)  # and sockets are closed in the next

    def drop_idle(self) -> None:
        """Drop what is idle: it leads to a Redis that is no more."""
        while self._idle:
            drop(self._idle.pop())

    async def _open(self) -> AbstractConnection:
        connection: AbstractConnection = self._source.make_connection()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()
        except BaseException:
            drop(connection)
            raise
        return connection

    def _keep(self, opening: asyncio.Task[AbstractConnection]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            self._idle.append(opening.result())


async def _readable(connection: AbstractConnection) -> bool:
    try:
        return await connection.can_read()
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not fit for use
        return True


def drop(connection: AbstractConnection) -> None:
    """Close *connection* at once: waiting, as its own `disconnect` does, could be cancelled."""
    raw = cast(Any, connection)
    if raw.is_connected:
        raw._writer.transport.abort()  # noqa: SLF001 - close() would wait to send what is unsent
        raw._close()  # noqa: SLF001
