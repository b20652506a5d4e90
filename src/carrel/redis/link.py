"""One connection to Redis, on which many commands are under way at once.

Redis answers in the order it was asked, so the replies that come belong to whoever asked first.
What nobody waits for any more is read all the same, and thrown away: so a caller that leaves
neither costs a connection nor shifts anybody's reply.

Commands that are given within one turn of the event loop are sent together.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import hiredis

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

LATE_SECONDS = 0.01
MAX_UNDER_WAY = 10_000


class Link(asyncio.Protocol):
    """A connection that answers within *budget_seconds*, or is lost, with all that is under way.

    The budget counts what Redis takes, and not what this process takes: it begins when a command
    is sent, a timer that goes off late, because the event loop was held up, gives the time once
    more, and what has arrived by then is read before anybody is given up. *failed* is called when
    somebody waited in vain.
    """

    def __init__(
        self, opened: "AbstractConnection", budget_seconds: float, failed: Callable[[str], object]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._opened = cast(Any, opened)
        self._budget = budget_seconds
        self._failed = failed
        self._reader = hiredis.Reader()
        self._waiting: deque[_Asked] = deque()
        self._unsent: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self.is_lost = False
        # The library greets Redis and says who we are; from here on, its replies come to us.
        self._transport: asyncio.Transport = self._opened._writer.transport  # noqa: SLF001
        self._transport.set_protocol(self)

    @property
    def is_full(self) -> bool:
        """Whether as much is under way as may be."""
        return len(self._waiting) >= MAX_UNDER_WAY

    def ask(self, commands: bytes, count: int) -> "asyncio.Future[list[Any]]":
        """The *count* replies to *commands*; errors of Redis are replies, too.

        The future raises `OSError`, or its kind `TimeoutError`, when the connection is lost.

        Raises:
            ConnectionError: it was lost before.
        """
        if self.is_lost:  # while whoever opened it was waiting for its turn
            raise ConnectionError("the connection was lost")
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(commands)
        asked = _Asked(self._loop.create_future(), count)
        self._waiting.append(asked)
        return asked.replies

    def lose(self, reason: str, kind: type[OSError] = ConnectionError) -> None:
        """Close the connection; whoever waits for a reply gets an error of that *kind*."""
        if self.is_lost:
            return
        self.is_lost = True
        if self._waiting:
            self._failed(reason)
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()  # closing would wait to send what is unsent
        self._opened._close()  # noqa: SLF001
        for asked in self._waiting:
            if not asked.replies.done():
                asked.replies.set_exception(kind(reason))
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while self._waiting:
            asked = self._waiting[0]
            while len(asked.read) < asked.count:
                try:
                    reply = self._reader.gets()
                except hiredis.ProtocolError as error:
                    self.lose(f"this is no Redis: {error}")
                    return
                if reply is False:  # not whole yet; no reply is false
                    return
                asked.read.append(reply)
            self._waiting.popleft()
            if not asked.replies.done():
                asked.replies.set_result(asked.read)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(str(exc or "it closed the connection"))

    def _send(self) -> None:
        commands, self._unsent = self._unsent, []
        if self.is_lost:
            return
        self._transport.write(b"".join(commands))
        now = self._loop.time()
        for asked in reversed(self._waiting):
            if asked.at is not None:
                break
            asked.at = now
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._budget, self._check)

    def _check(self) -> None:
        """See whether who has waited longest has waited too long."""
        self._timer = None
        first = self._waiting[0] if self._waiting else None
        if first is None or first.at is None:  # sending it sets the timer again
            return
        now, due = self._loop.time(), first.at + self._budget
        if now < due:
            self._timer = self._loop.call_at(due, self._check)
        elif now - due > LATE_SECONDS and not first.is_late:
            first.is_late = True
            self._timer = self._loop.call_at(now + self._budget, self._check)
        else:  # two turns on, what has arrived is read
            self._timer = self._loop.call_later(0, self._loop.call_soon, self._give_up, first)

    def _give_up(self, first: "_Asked") -> None:
        self._timer = None
        if self._waiting and self._waiting[0] is first:
            self.lose(f"no answer within {self._budget * 1000:.0f} ms", TimeoutError)
        else:
            self._check()


class _Asked:
    """What was asked, sent at a time of the event loop, and the replies that have come."""

    __slots__ = ("at", "count", "is_late", "read", "replies")

    def __init__(self, replies: "asyncio.Future[list[Any]]", count: int) -> None:
        self.replies = replies
        self.count = count
        self.at: float | None = None
        self.read: list[Any] = []
        self.is_late = False
