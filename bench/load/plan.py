"""What a load test is to do: handed as JSON from the process that starts all to locust's own."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

VARIABLE = "CARREL_LOAD_PLAN"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant that users belong to; every document and so every answer of it holds *marker*."""

    number: int
    key: str
    marker: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A load test.

    `every_seconds` is the time from one question of a user to its next. `repeats`, `leavers` are
    shares of questions, from 0 to 1; of `uploads_per_second` all users together. `steps` are
    numbers of users, one after the other. `protocol`: "carrel", or "chat" for what only relays.
    """

    users: int = 2_000
    every_seconds: float = 60.0
    hold_seconds: float = 90.0
    steps: tuple[int, ...] = ()
    repeats: float = 0.5
    leavers: float = 0.02
    watchers: float = 0.1
    uploads_per_second: float = 1.0
    tenants: int = 100
    documents: int = 3
    popular: int = 10
    ttft_ms: float = 300.0
    tokens_per_second: float = 50.0
    tokens: int = 200
    protocol: str = "carrel"
    url: str = ""
    folder: str = ""
    seed: int = 1
    members: tuple[Tenant, ...] = field(default=(), repr=False)

    @property
    def stages(self) -> tuple[int, ...]:
        """The numbers of users that are held, one after the other."""
        return self.steps or (self.users,)

    @property
    def ramp_seconds(self) -> float:
        """Over which users come, so that their questions are spread evenly from then on."""
        return self.every_seconds

    @property
    def settle_seconds(self) -> float:
        """After which the last of them are surely there: locust is a little late with thousands."""
        return self.every_seconds * 0.15

    @property
    def stage_seconds(self) -> float:
        """For which each number of users takes."""
        return self.ramp_seconds + self.settle_seconds + self.hold_seconds

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


def read() -> Plan:
    """The plan of this process."""
    found: dict[str, Any] = json.loads(Path(os.environ[VARIABLE]).read_text())
    found["members"] = tuple(Tenant(**each) for each in found["members"])
    found["steps"] = tuple(found["steps"])
    return Plan(**found)
