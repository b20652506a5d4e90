"""Takes connections from a socket that several processes share, each its part.

An event loop's own server takes all that wait as soon as it wakes: of a burst of 64
connections, two of four idle processes got 30 and 34, the others none. Here a process
that has more than the others leaves them a moment to be faster.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from carrel.serving.balance import Balance
from carrel.telemetry.loop import lateness

log = logging.getLogger(__name__)

# For each connection that this process has too many: a process that sleeps takes time to wake.
LEAVE_SECONDS, LEAVE_AT_MOST_SECONDS = 0.001, 0.005
PAUSE_SECONDS = 1.0
LATE_SECONDS, AT_ONCE = 0.003, 8
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Acceptor:
    """Takes connections until `close`; *protocol* makes what speaks over each.

    *balance*: what the other processes have; None: there are no others.
    """

    def __init__(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        balance: Balance | None = None,
    ) -> None:
        self._listening = listening
        self._protocol = protocol
        self._balance = balance
        self._left = False
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[object]] = set()
        self._closed = False
        listening.setblocking(False)
        self._resume()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._balance:
            self._balance.withdraw()
        self._loop.remove_reader(self._listening.fileno())
        self._listening.close()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listening.fileno(), self._accept)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening.fileno())
        self._loop.call_later(seconds, self._resume)

    def _accept(self) -> None:
        # A loop that is late comes by here seldom: one at a time, those who wait would be more
        # and more, until the kernel turns them away.
        at_once = AT_ONCE if lateness.seconds >= LATE_SECONDS else 1
        for _ in range(at_once):
            if not self._take():
                return

    def _take(self) -> bool:
        """Take one connection; False: none is to be had, or none for this process."""
        excess = self._balance.excess() if self._balance and not self._left else 0
        self._left = excess > 0
        if excess:
            self._pause(min(excess * LEAVE_SECONDS, LEAVE_AT_MOST_SECONDS))
            return False
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False  # another process was faster, or the client has left
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            log.error("no connection can be taken: %s", error.strerror)  # noqa: TRY400
            self._pause(PAUSE_SECONDS)
            return False
        connection.setblocking(False)
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opening: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(self._protocol, connection)
        )
        self._opening.add(opening)
        opening.add_done_callback(self._opened)
        return True

    def _opened(self, opening: asyncio.Task[object]) -> None:
        self._opening.discard(opening)
        if not opening.cancelled() and (error := opening.exception()):
            log.warning("a connection could not be opened: %s", type(error).__name__)
