"""Opens the connection to Redis, and again when it was lost."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, cast

from carrel.redis.link import Link

CONNECT_SECONDS = 2.0


class Linking:
    """The link to the Redis at *url* (`redis://`, `rediss://` or `unix://`), opened when needed.

    *failed* is told, once, of each link that was lost or could not be opened, and of each caller
    that waited too long for one to open.
    """

    def __init__(self, url: str, budget_seconds: float, failed: Callable[[str], object]) -> None:
        # Servers without Redis are spared the library: 80 ms and 6 MiB in each process.
        from redis.asyncio.connection import ConnectionPool
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.maint_notifications import MaintNotificationsConfig

        # Of the library's pool only the reading of the URL is used, and its connection to greet
        # Redis with: it gives a connection back whatever became of its reply.
        self._source = cast(Any, ConnectionPool).from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,
            socket_connect_timeout=CONNECT_SECONDS,
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._budget = budget_seconds
        self._failed = failed
        self._link: Link | None = None
        self._opening: asyncio.Task[Link] | None = None

    @property
    def where(self) -> str:
        """Host and port, or the socket's path: without the password."""
        at = self._source.connection_kwargs
        return str(at.get("path") or f"{at.get('host', 'localhost')}:{at.get('port', 6379)}")

    @property
    def link(self) -> Link | None:
        """The link, if there is one now."""
        if self._link is not None and self._link.is_lost:
            self._link = None
        return self._link

    async def open(self) -> Link:
        """The link, opened if need be: by one caller for all.

        Raises:
            OSError: it can't be opened, or not in this client's time.
        """
        if link := self.link:
            return link
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        # A caller whose time is up, or that leaves, leaves the others their link.
        mine = asyncio.timeout(self._budget)
        try:
            async with mine:
                return await asyncio.shield(self._opening)
        except TimeoutError:
            reason = f"no connection within {self._budget * 1000:.0f} ms"
            if mine.expired():
                self._failed(reason)
            raise TimeoutError(reason) from None

    async def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if link := self.link:
            link.lose("closed")
        await asyncio.sleep(0)  # a socket is closed in the next turn of the loop

    async def _open(self) -> Link:
        from redis.exceptions import RedisError

        connection = self._source.make_connection()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()
            return Link(connection, self._budget, self._failed)
        except BaseException as error:
            with contextlib.suppress(Exception):
                connection._writer.transport.abort()  # noqa: SLF001 - waiting could be cancelled
                connection._close()  # noqa: SLF001
            if isinstance(error, RedisError):  # refused, say, for want of a password
                raise ConnectionError(str(error)) from error
            raise

    def _opened(self, opening: asyncio.Task[Link]) -> None:
        self._opening = None
        if opening.cancelled():
            return
        if error := opening.exception():
            self._failed(str(error) or type(error).__name__)
        else:
            self._link = opening.result()
