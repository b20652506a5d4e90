"""Commands and scripts for Redis, each in one round trip and within a time budget.

Redis down, slow or unwilling is one condition, `SharedStateDown`. Once it is
known to be down a call costs nothing: see `breaker`. A connection whose reply was
not read whole is closed: see `connections`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, RedisError, ResponseError

from carrel.redis.breaker import Breaker
from carrel.redis.budget import time_budget
from carrel.redis.connections import Connections, drop
from carrel.redis.errors import SharedStateDown
from carrel.redis.script import Script
from carrel.redis.wire import Argument, packed
from carrel.telemetry import metrics

Reply = Any  # bytes, int, None, or a list of replies

_OUR_MISTAKES = ("WRONGTYPE", "CROSSSLOT")
QUEUE_BUDGETS = 5


@dataclass(frozen=True, slots=True)
class Run:
    """One run of *script*."""

    script: Script
    keys: Sequence[Argument]
    arguments: Sequence[Argument]


class RedisClient:
    """A client of the Redis at *url*: `redis://`, `rediss://` (TLS) or `unix://`.

    *budget_seconds* is what Redis has for an answer, connecting included. *connections*
    is how many commands may be under way at once. While Redis is down, one call in
    *probe_seconds* asks whether it still is. `round_trips` counts what was sent.
    """

    def __init__(
        self,
        url: str,
        *,
        budget_seconds: float = 0.05,
        connections: int = 16,
        probe_seconds: float = 1.0,
    ) -> None:
        self._connections = Connections(url, connections)
        self._breaker = Breaker(self._connections.where, probe_seconds)
        self._budget = budget_seconds
        self._waiting: set[asyncio.Timeout] = set()
        self.round_trips = 0
        metrics.redis_up.set(1)

    @property
    def is_down(self) -> bool:
        """Whether Redis is known to be down."""
        return self._breaker.is_open

    async def call(self, *command: Argument) -> Reply:
        """Redis's reply to one command: bytes, int, None, or a list of those.

        Raises:
            SharedStateDown: Redis is down or slow; the command may have taken effect.
        """
        (reply,) = await self.call_all([command])
        return reply

    async def call_all(self, commands: Sequence[tuple[Argument, ...]]) -> list[Reply]:
        """The reply to each command, all of them in one round trip, in their order."""
        return [_checked(reply) for reply in await self._exchange(commands)]

    async def run(
        self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument]
    ) -> Reply:
        """What *script* returns. Raises as `call` does."""
        (reply,) = await self.run_all([Run(script, keys, arguments)])
        return reply

    async def run_all(self, runs: Sequence[Run]) -> list[Reply]:
        """What each script returns, all of them in one round trip, in their order."""
        commands = [("EVALSHA", each.script.sha, *_rest(each)) for each in runs]
        replies = await self._exchange(commands)
        for i, reply in enumerate(replies):
            if isinstance(reply, NoScriptError):  # a Redis that was restarted: teach it
                each = runs[i]
                replies[i] = await self.call("EVAL", each.script.source, *_rest(each))
        return [_checked(reply) for reply in replies]

    async def close(self) -> None:
        await self._connections.close()

    async def _exchange(self, commands: Sequence[tuple[Argument, ...]]) -> list[Reply]:
        if not self._breaker.admits():
            raise SharedStateDown("it did not answer a moment ago", sent=False)
        if self._connections.full:
            await self._wait_for_slot()
        else:
            await self._connections.slot()
        sent = False
        try:
            async with time_budget(self._budget):
                connection = await self._connections.take()
                sent = True
                replies = await self._asked(connection, commands)
        except (RedisError, OSError, TimeoutError) as error:
            reason = str(error) or f"no answer within {self._budget * 1000:.0f} ms"
            self._fail(reason)
            raise SharedStateDown(reason, sent=sent) from error
        finally:
            self._connections.leave_slot()
        for reply in replies:
            if isinstance(reply, ResponseError) and not _is_ours(reply):
                self._fail(str(reply))  # loading, out of memory, a replica that cannot write
                raise SharedStateDown(str(reply), sent=False) from reply
        self._breaker.succeeded()
        return replies

    async def _wait_for_slot(self) -> None:
        """Waiting behind our own calls is no sign of a slow Redis, and has a longer budget."""
        try:
            async with asyncio.timeout(self._budget * QUEUE_BUDGETS) as waiting:
                self._waiting.add(waiting)
                try:
                    await self._connections.slot()
                finally:
                    self._waiting.discard(waiting)
        except TimeoutError as error:
            metrics.redis_failures.inc()
            raise SharedStateDown("too many calls are waiting", sent=False) from error

    async def _asked(
        self, connection: AbstractConnection, commands: Sequence[tuple[Argument, ...]]
    ) -> list[Reply]:
        raw = cast(Any, connection)
        self.round_trips += 1
        replies: list[Reply] = []
        try:
            await raw.send_packed_command(packed(commands), check_health=False)
            for _ in commands:
                try:
                    replies.append(await raw.read_response(disable_decoding=True))
                except ResponseError as error:  # a reply like any other, and read whole
                    replies.append(error)
        except BaseException:  # a cancellation above all: its reply is still to come
            drop(connection)
            raise
        self._connections.give_back(connection)
        return replies

    def _fail(self, reason: str) -> None:
        self._breaker.failed(reason)
        if self._breaker.is_open:
            self._connections.drop_idle()
            now = asyncio.get_running_loop().time()
            for waiting in self._waiting:
                if not waiting.expired():
                    waiting.reschedule(now)


def _rest(run: Run) -> tuple[Argument, ...]:
    return (len(run.keys), *run.keys, *run.arguments)


def _checked(reply: Reply) -> Reply:
    if isinstance(reply, ResponseError):
        raise reply
    return reply


def _is_ours(error: ResponseError) -> bool:
    """Whether the command was wrong, which is a bug of ours and no outage."""
    if isinstance(error, NoScriptError):
        return True
    return error.status_code == "ERR" or str(error).startswith(_OUR_MISTAKES)
