"""A way to Redis that a test can cut, slow down and point elsewhere."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit


class RedisProxy:
    """Passes bytes between clients and the Redis at `upstream`, as long as it is let.

    `replies` is cleared to hold replies back, and set to let them go. While `refuses`,
    no connection is taken.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.refuses = False
        self.replies = asyncio.Event()
        self.replies.set()
        self.attempts = 0
        self.connections = 0
        self.requested = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Future[list[None]]] = set()
        self._port = 0

    @property
    def url(self) -> str:
        at = urlsplit(self.upstream)
        return urlunsplit(at._replace(netloc=f":{at.password}@127.0.0.1:{self._port}"))

    def cut(self) -> None:
        """Break every connection."""
        for writer in [*self._writers]:
            writer.transport.abort()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["RedisProxy"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        async with server:
            try:
                yield self
            finally:
                self.refuses = True
                self.replies.set()
                self.cut()
                await asyncio.gather(*self._passing)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.attempts += 1
        if self.refuses:
            writer.transport.abort()
            return
        self.connections += 1
        at = urlsplit(self.upstream)
        try:
            far_reader, far_writer = await asyncio.open_connection(at.hostname, at.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        there = self._pass_on(reader, far_writer, reply=False)
        back = self._pass_on(far_reader, writer, reply=True)
        passing = asyncio.gather(there, back)
        self._passing.add(passing)
        await passing
        self._passing.discard(passing)
        self._writers -= {writer, far_writer}

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, reply: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if reply:
                    await self.replies.wait()
                else:
                    self.requested.set()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
