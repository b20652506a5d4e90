"""A gate over each kind of meter, with time that tests can travel in."""

import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from carrel.domain.ids import RequestId, TenantId
from carrel.limits.gate import Gate
from carrel.limits.memory import MemoryMeter
from carrel.limits.meter import Meter
from carrel.limits.redis import RedisMeter
from carrel.redis.client import RedisClient
from carrel.redis.replicas import Replicas

TENANT = TenantId("ten_a")
PATIENT = 10.0


@dataclass
class Travel:
    """Time that passes only when told to."""

    ahead_ms: int = 0

    def __call__(self) -> int:
        return self.ahead_ms

    def on(self, seconds: float) -> None:
        self.ahead_ms += int(seconds * 1000)


@dataclass
class BookLedger:
    """A ledger of known sums, that counts how often it was asked for one."""

    spent: Counter[str] = field(default_factory=Counter[str])
    requests: dict[RequestId, int] = field(default_factory=dict[RequestId, int])
    asked: int = 0

    async def spent_since(self, tenant_id: TenantId, scope: str, start: datetime) -> int:
        self.asked += 1
        return self.spent[scope]

    async def spent_by(
        self,
        tenant_id: TenantId,
        requests: Collection[RequestId],
    ) -> dict[RequestId, int]:
        return {each: self.requests[each] for each in requests if each in self.requests}


@dataclass
class World:
    """A gate, its meter, its ledger, and time."""

    gate: Gate
    meter: Meter
    ledger: BookLedger
    travel: Travel
    ids: Iterator[int] = field(default_factory=itertools.count)

    def request(self) -> RequestId:
        return RequestId(f"req_{next(self.ids)}")


@contextlib.asynccontextmanager
async def memory_world() -> AsyncIterator[World]:
    travel, ledger = Travel(), BookLedger()
    meter = MemoryMeter(clock_ms=travel)
    gate = Gate(ledger, local=meter)
    yield World(gate, meter, ledger, travel)
    await gate.close()


@contextlib.asynccontextmanager
async def redis_world(url: str) -> AsyncIterator[World]:
    travel, ledger = Travel(), BookLedger()
    client = RedisClient(url, budget_seconds=PATIENT)
    meter = RedisMeter(client, ahead_ms=travel)
    replicas = Replicas(client)
    gate = Gate(ledger, local=MemoryMeter(), shared=meter, replicas=replicas, recovery_seconds=0)
    yield World(gate, meter, ledger, travel)
    await gate.close()
    await client.close()
