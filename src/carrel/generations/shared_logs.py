"""The logs in Redis: each step one script, and one round trip.

Time is Redis's own. All keys of a generation bear its tenant's hash tag and expire. Only
the leader of the newest attempt can write, because the script that writes asks for that.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from carrel.domain.ids import GenerationId, TenantId
from carrel.generations.events import End, Offset
from carrel.generations.shared_flight import SharedFlight
from carrel.redis.client import RedisClient, Run
from carrel.redis.script import Script, read_script

ENTRIES_AT_ONCE = 200

_CLAIM, _ENTER, _APPEND, _PULSE, _TAKE, _RELEASE = (
    read_script("carrel.generations", "prelude", name)
    for name in ("claim", "enter", "append", "pulse", "take", "release")
)


class Standing(NamedTuple):
    """How a generation stands: its newest attempt, when its leader lapses, how it ended or ''."""

    attempt: int
    lapses_in_ms: int
    end: str


class Taken(NamedTuple):
    """Whether the one who asked leads *attempt* now; if not, how it stands."""

    leads: bool
    attempt: int
    end: str


class Batch(NamedTuple):
    """What a leader tells Redis at once."""

    flight: SharedFlight
    attempt: int
    told: int
    events: list[bytes]
    end: End | None


class Entry(NamedTuple):
    """An entry of a log: its place, and what it says, in turns of a word and bytes."""

    offset: Offset
    fields: list[bytes]


class SharedLogs:
    """What can be done with the logs; every method raises `SharedStateDown`.

    *client* has what callers wait for, *background* the rest. *ahead_ms* is added to
    Redis's clock, for tests.
    """

    def __init__(
        self,
        client: RedisClient,
        background: RedisClient,
        *,
        lease_seconds: float,
        kept_seconds: float,
        max_deaths: int,
        ahead_ms: Callable[[], int],
    ) -> None:
        self._client = client
        self._background = background
        self._timing = (int(lease_seconds * 1000), int(kept_seconds * 1000))
        self._max_deaths = max_deaths
        self._ahead_ms = ahead_ms

    async def claim(
        self, flight: SharedFlight, own: GenerationId, over: GenerationId | None
    ) -> GenerationId:
        """The generation under way for the flight's key, but not *over*; *own*, if it leads now.

        What the flight's is about is kept with it from that moment on.
        """
        what = self._run(
            _CLAIM, flight, flight.digest, over or "", flight.log.about, generation_id=own
        )
        current = await self._client.run(*what)
        return GenerationId(bytes(current).decode())

    async def enter(self, flight: SharedFlight, generation_id: GenerationId) -> Standing | None:
        """Count the flight's readers among the generation's; None: there is none.

        The flight learns the digest of the generation's key.
        """
        script, keys, arguments = self._run(_ENTER, flight, generation_id=generation_id)
        answer: list[Any] | None = await self._client.run(script, keys[:3], arguments)
        if answer is None:
            return None
        flight.digest = bytes(answer[3]).decode()
        return Standing(answer[0], answer[1], bytes(answer[2]).decode())

    async def about(self, tenant_id: TenantId, generation_id: GenerationId) -> bytes | None:
        """What was kept with a generation; None: there is none."""
        state = _state_key(tenant_id, generation_id)
        attempt, about = await self._client.call("HMGET", state, "attempt", "about")
        return None if attempt is None else bytes(about or b"")

    async def take(self, flight: SharedFlight) -> Taken | None:
        """Lead another attempt, if the last one's leader is gone; None: there is none to take."""
        can_lead, about = int(flight.can_lead), flight.log.about
        wish = (flight.digest, flight.newest, can_lead, self._max_deaths, about)
        answer = await self._client.run(*self._run(_TAKE, flight, *wish))
        return Taken(answer[0] == 1, answer[1], bytes(answer[2]).decode()) if answer else None

    async def append(self, batches: Sequence[Batch]) -> list[int | bytes]:
        """For each how many events Redis has; or `fenced`, or `gone`."""
        return await self._background.run_all([self._append(batch) for batch in batches])

    async def pulse(self, flights: Sequence[SharedFlight]) -> list[Standing | None]:
        """Say that they are alive here, or that nobody here reads them."""
        runs = [
            Run(*self._run(_PULSE, each, each.leading, int(each.has_readers))) for each in flights
        ]
        answers = await self._background.run_all(runs)
        return [
            Standing(answer[0], answer[1], bytes(answer[2]).decode()) if answer else None
            for answer in answers
        ]

    async def release(self, flights: Sequence[SharedFlight], attempts: Sequence[int]) -> None:
        """Lead no more: another may at once."""
        runs = [
            Run(*self._run(_RELEASE, each, attempt))
            for each, attempt in zip(flights, attempts, strict=True)
        ]
        await self._background.run_all(runs)

    async def read(self, flights: Sequence[SharedFlight]) -> dict[SharedFlight, list[Entry]]:
        """What is new since their cursors, some entries of each."""
        # One command for each tenant, whose keys share a slot of a Redis Cluster.
        by_tenant: dict[str, list[SharedFlight]] = defaultdict(list)
        for flight in flights:
            by_tenant[flight.tenant_id].append(flight)
        groups = list(by_tenant.values())
        replies = await self._background.call_all([_reading(group) for group in groups])
        found: dict[SharedFlight, list[Entry]] = {}
        for group, reply in zip(groups, replies, strict=True):
            logs = {bytes(name): entries for name, entries in reply or ()}
            for flight in group:
                if entries := logs.get(_log_key(flight).encode()):
                    found[flight] = [Entry(_offset(name), fields) for name, fields in entries]
        return found

    def _append(self, batch: Batch) -> Run:
        end = (batch.end.reason, batch.end.payload) if batch.end else ("", "")
        what = (batch.attempt, batch.told, *end, *batch.events)
        return Run(*self._run(_APPEND, batch.flight, *what))

    def _run(
        self,
        script: Script,
        flight: SharedFlight,
        *rest: str | int | bytes,
        generation_id: GenerationId | None = None,
    ) -> tuple[Script, list[str], list[str | int | bytes]]:
        generation_id = generation_id or flight.log.generation_id
        who = (generation_id, flight.name)
        return script, _keys(flight, generation_id), [self._ahead_ms(), *who, *self._timing, *rest]


def _reading(group: Sequence[SharedFlight]) -> tuple[str | int, ...]:
    cursors: dict[str, Offset] = {}
    for flight in group:
        # Two flights may be of one generation: joined by its key, and followed by its id.
        key = _log_key(flight)
        cursors[key] = min(cursors.get(key, flight.cursor), flight.cursor)
    return ("XREAD", "COUNT", ENTRIES_AT_ONCE, "STREAMS", *cursors, *map(str, cursors.values()))


def _log_key(flight: SharedFlight) -> str:
    return _keys(flight, flight.log.generation_id)[1]


def _keys(flight: SharedFlight, generation_id: GenerationId) -> list[str]:
    """State, log, readers; and which generation the flight's key is under way with."""
    generation = _state_key(flight.tenant_id, generation_id)
    return [
        generation,
        f"{generation}:log",
        f"{generation}:readers",
        f"{_prefix(flight.tenant_id)}under_way:{flight.digest}",
    ]


def _state_key(tenant_id: TenantId, generation_id: GenerationId) -> str:
    return f"{_prefix(tenant_id)}generation:{generation_id}"


def _prefix(tenant_id: TenantId) -> str:
    return f"carrel:{{{tenant_id}}}:"


def _offset(name: bytes) -> Offset:
    attempt, _, index = name.partition(b"-")
    return Offset(int(attempt), int(index))
