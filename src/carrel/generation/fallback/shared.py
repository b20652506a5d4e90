"""What replicas tell each other of their upstreams, in Redis.

Who asked to be left alone, whose breaker is open, and which replica probes: of all replicas,
one. Nobody waits for it but a probe; the rest is exchanged twice a second. Without Redis each
replica goes by what it finds itself.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from typing import Any

from carrel.generation.fallback.member import Member
from carrel.redis.client import RedisClient
from carrel.redis.errors import SharedStateDown
from carrel.redis.wire import Argument

EXCHANGE_SECONDS = 0.5
# An open breaker is told of again by each probe that fails.
OPEN_SECONDS = 120

Command = tuple[Argument, ...]


class SharedStandings:
    """The standings of one replica's upstreams; `run` must be running once it `follows` them."""

    def __init__(self, client: RedisClient, *, exchange_seconds: float = EXCHANGE_SECONDS) -> None:
        self._client = client
        self._exchange_seconds = exchange_seconds
        self._members: Sequence[Member] = ()
        self._untold: dict[str, Command] = {}
        self._news = asyncio.Event()

    def follow(self, members: Sequence[Member]) -> None:
        """Tell *members* what other replicas find out."""
        self._members = members

    async def take_probe(self, member: Member) -> bool:
        name = _name(member, "probe")
        milliseconds = int(member.terms.probe_seconds * 1000)
        try:
            return bool(await self._client.call("SET", name, "1", "NX", "PX", milliseconds))
        except SharedStateDown:
            return True

    def probed(self, member: Member, *, pause_seconds: float) -> None:
        name = _name(member, "probe")
        milliseconds = int(pause_seconds * 1000)
        self._tell(name, ("SET", name, "1", "PX", milliseconds) if milliseconds else ("DEL", name))

    def waits(self, member: Member, seconds: float) -> None:
        name = _name(member, "wait")
        self._tell(name, ("SET", name, "1", "PX", int(seconds * 1000)))

    def opened(self, member: Member, said: str) -> None:
        name = _name(member, "open")
        self._tell(name, ("SET", name, said, "EX", OPEN_SECONDS))

    def closed(self, member: Member) -> None:
        name = _name(member, "open")
        self._tell(name, ("DEL", name))

    async def run(self) -> None:
        """Exchange until cancelled."""
        while True:
            with contextlib.suppress(SharedStateDown):
                await self.exchange()
            # Not wait_for: in Python 3.11 it loses a cancellation that comes with the news.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._exchange_seconds):
                    await self._news.wait()
            if self._client.is_down:
                await asyncio.sleep(self._exchange_seconds)

    async def exchange(self) -> None:
        """Tell what is new here, and hear what is elsewhere. Raises `SharedStateDown`."""
        telling = dict(self._untold)
        self._news.clear()
        commands: list[Command] = [*telling.values()]
        for member in self._members:
            commands.append(("PTTL", _name(member, "wait")))
            commands.append(("GET", _name(member, "open")))
        if not commands:
            return
        replies = await self._client.call_all(commands)
        for name, command in telling.items():
            if self._untold.get(name) is command:
                del self._untold[name]
        heard = replies[len(telling) :]
        for number, member in enumerate(self._members):
            self._hear(member, *heard[2 * number : 2 * number + 2])

    def _hear(self, member: Member, wait_ms: int, said: Any) -> None:
        if wait_ms > 0:
            member.wait(wait_ms / 1000)
        if _name(member, "open") in self._untold:
            return  # what was heard is older than what happened here
        if said is None:
            member.hear_closed()
        else:
            member.hear_opened(bytes(said).decode())

    def _tell(self, name: str, command: Command) -> None:
        self._untold[name] = command
        self._news.set()


def _name(member: Member, what: str) -> str:
    """Replicas with other upstreams under the same name don't meet."""
    told = f"{member.terms.name}\n{member.terms.address}\n{member.model}"
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    return f"carrel:{{upstreams}}:{digest}:{what}"
