"""The HTTP server, and how it leaves: nobody's answer is cut without a word.

SIGTERM: `/readyz` says 503 at once; new connections are taken for the notice that a gateway
needs to see it; then what is under way has its grace. At the end of that, each request
still open is cancelled, and ends with an error that says how to go on. SIGHUP: the same
without notice, for another process has taken this one's place on the same socket.
SIGINT, or SIGTERM for a second time, ends the grace.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Generator
from typing import Any, cast

import uvicorn

from carrel.api.leaving import Leaving
from carrel.serving.accept import Acceptor
from carrel.serving.balance import Balance
from carrel.serving.lifeline import say_ready
from carrel.serving.memory import settle

log = logging.getLogger(__name__)

# A client that is about to use a connection again does so within this; its response then
# says that it was the last. Only then are connections closed that nobody uses.
IDLE_SECONDS = 1.0
FAREWELL_SECONDS = 2.0  # to say the last words to those who read slowly
ORPHAN_SECONDS = 5.0
LOOK_SECONDS = 0.05


class Server(uvicorn.Server):
    """A server that settles its memory once it has started, says that it is ready, and drains.

    *place*: a table of connections and this process's place in it; see `balance`.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        leaving: Leaving,
        *,
        place: tuple[int, int] | None = None,
        notice_seconds: float,
        grace_seconds: float,
    ) -> None:
        config.timeout_graceful_shutdown = max(1, round(FAREWELL_SECONDS))
        super().__init__(config)
        self._leaving = leaving
        self._place = place
        self._balance: Balance | None = None
        self._notice_seconds = notice_seconds
        self._grace_seconds = grace_seconds
        self._hurried = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.leave)
        # Of two signals that are alike, and come at once, the kernel delivers one.
        loop.add_signal_handler(signal.SIGINT, self.hurry)
        loop.add_signal_handler(signal.SIGHUP, self.retire)
        yield

    def leave(self) -> None:
        """Go, because the server stops; called again: go now."""
        if self._leaving.announced:
            self._hurried.set()
        self._leaving.announced = True
        self.should_exit = True

    def hurry(self) -> None:
        """Go now."""
        self.leave()
        self._hurried.set()

    def retire(self) -> None:
        """Go, because another process serves in this one's place."""
        self.should_exit = True

    def abandon(self) -> None:
        """Go, because the supervisor is dead, and whoever starts it again needs the port."""
        self._notice_seconds = 0
        self._grace_seconds = min(self._grace_seconds, ORPHAN_SECONDS)
        self.leave()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])
        if self._place is not None:
            self._balance = Balance(*self._place, lambda: len(self.server_state.connections))
        acceptors = [Acceptor(each, self._protocol, self._balance) for each in sockets or ()]
        self.servers = cast(Any, acceptors)
        settle()
        say_ready()

    async def on_tick(self, counter: int) -> bool:
        if self._balance and not self.should_exit:
            self._balance.publish()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # In every response from here on; uvicorn then closes its connection.
        self.config.encoded_headers.append((b"connection", b"close"))
        await self.on_tick(0)
        if self._leaving.announced:
            await self._pause(self._notice_seconds)
        for server in self.servers:
            server.close()  # the socket is the supervisor's: who waits there waits for another
        await self._drain()
        if self.server_state.tasks:
            log.warning("%d requests are cut: their time is up", len(self.server_state.tasks))
        self._leaving.cut = True
        for task in self.server_state.tasks:
            task.cancel()
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        return cast(Any, self.config.http_protocol_class)(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def _drain(self) -> None:
        """Until all connections are closed, or the grace is over."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while self.server_state.connections and not self._hurried.is_set():
            spent = loop.time() - begun
            if spent >= self._grace_seconds:
                return
            for connection in list(self.server_state.connections):
                # Closes one that is idle, and has one that is not close after its response.
                if spent >= min(IDLE_SECONDS, self._grace_seconds / 2):
                    connection.shutdown()
            await self._pause(LOOK_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurried.wait()
