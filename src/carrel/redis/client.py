"""Commands and scripts for Redis, each in one round trip and within a time budget.

Redis down, slow or unwilling is one condition, `SharedStateDown`. Once it is
known to be down a call costs nothing: see `breaker`. Calls share one connection, on which
any number is under way: see `link`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hiredis import ReplyError

from carrel.redis.breaker import Breaker
from carrel.redis.errors import SharedStateDown
from carrel.redis.linking import Linking
from carrel.redis.script import Script
from carrel.redis.wire import Argument, packed
from carrel.telemetry import metrics

Reply = Any  # bytes, int, None, or a list of replies

_OUR_MISTAKES = ("ERR", "WRONGTYPE", "CROSSSLOT", "NOSCRIPT")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of *script*."""

    script: Script
    keys: Sequence[Argument]
    arguments: Sequence[Argument]


class RedisClient:
    """A client of the Redis at *url*: `redis://`, `rediss://` (TLS) or `unix://`.

    *budget_seconds* is what Redis has for an answer, connecting included. While Redis is down,
    one call in *probe_seconds* asks whether it still is. `round_trips` counts what was asked.
    """

    def __init__(
        self, url: str, *, budget_seconds: float = 0.05, probe_seconds: float = 1.0
    ) -> None:
        self._linking = Linking(url, budget_seconds, self._failed)
        self._breaker = Breaker(self._linking.where, probe_seconds)
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
            # A Redis that was restarted: teach it.
            if isinstance(reply, ReplyError) and str(reply).startswith("NOSCRIPT"):
                each = runs[i]
                replies[i] = await self.call("EVAL", each.script.source, *_rest(each))
        return [_checked(reply) for reply in replies]

    async def close(self) -> None:
        await self._linking.close()

    async def _exchange(self, commands: Sequence[tuple[Argument, ...]]) -> list[Reply]:
        if not self._breaker.admits():
            raise SharedStateDown("it did not answer a moment ago", sent=False)
        link, sent = self._linking.link, False
        try:
            if link is None:
                link = await self._linking.open()
            if link.is_full:
                metrics.redis_failures.inc()
                raise SharedStateDown("too many calls are under way", sent=False)
            self.round_trips += 1
            sent = True
            replies = await link.ask(packed(commands), len(commands))
        except OSError as error:
            raise SharedStateDown(str(error), sent=sent) from error
        for reply in replies:
            if isinstance(reply, ReplyError) and not _is_ours(reply):
                self._breaker.failed(str(reply))  # loading, out of memory, can't write
                raise SharedStateDown(str(reply), sent=False) from reply
        self._breaker.succeeded()
        return replies

    def _failed(self, reason: str) -> None:
        self._breaker.failed(reason)


def _rest(run: Run) -> tuple[Argument, ...]:
    return (len(run.keys), *run.keys, *run.arguments)


def _checked(reply: Reply) -> Reply:
    if isinstance(reply, ReplyError):
        raise reply
    return reply


def _is_ours(error: ReplyError) -> bool:
    """Whether the command was wrong, which is a bug of ours and no outage."""
    return str(error).startswith(_OUR_MISTAKES)
