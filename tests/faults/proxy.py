"""A way to any TCP service that a test can cut, slow down, stall and point elsewhere."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Passes bytes between clients and the service at the URL `upstream`, as long as it is let.

    `replies` is cleared to hold replies back, and set to let them go; each reply waits for
    `delay_seconds`, too. While `refuses`, no connection is taken. With `cut_after_bytes`, a
    connection is reset once so many bytes of replies have passed through it.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.refuses = False
        self.delay_seconds = 0.0
        self.cut_after_bytes: int | None = None
        self.replies = asyncio.Event()
        self.replies.set()
        self.attempts = 0
        self.connections = 0
        self.requested = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Future[list[None]]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """The upstream's URL, by way of this proxy."""
        at = urlsplit(self.upstream)
        account, _, _ = at.netloc.rpartition("@")
        before = f"{account}@" if account else ""
        return urlunsplit(at._replace(netloc=f"{before}127.0.0.1:{self.port}"))

    def cut(self) -> None:
        """Break every connection."""
        for writer in [*self._writers]:
            writer.transport.abort()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
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
        passed = 0
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if reply:
                    await self.replies.wait()
                    await asyncio.sleep(self.delay_seconds)
                    passed += len(data)
                else:
                    self.requested.set()
                writer.write(data)
                await writer.drain()
                if self.cut_after_bytes is not None and passed > self.cut_after_bytes:
                    break
        writer.transport.abort()
