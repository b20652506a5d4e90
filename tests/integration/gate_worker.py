"""A replica that spends a budget shared with others: `python -m tests.integration.gate_worker`.

Reads its orders as JSON from standard input, prints `ready`, begins with the next line, and
prints its counts as JSON at the end. The provider's charges are lines of a file, whether or
not the replica lived to hear of them.
"""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from carrel.domain.errors import BudgetExhausted, Unavailable
from carrel.domain.ids import RequestId, TenantId, new_id
from carrel.limits.gate import Gate
from carrel.limits.handles import Budget, Reservation
from carrel.limits.memory import MemoryMeter
from carrel.limits.redis import RedisMeter
from carrel.redis.client import RedisClient
from carrel.redis.replicas import Replicas

TENANT = TenantId("ten_a")


@dataclass(frozen=True)
class Orders:
    """What to do: *requests* at once, or, with a *target*, until that much was charged."""

    url: str
    charges: str
    limit: int
    price: int
    seed: int
    requests: int = 0
    target: int = 0
    lease_seconds: float = 25.0


class Provider:
    """Charges each generation to a file, in one write, as soon as it is made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def charge(self, request_id: RequestId, price: int) -> None:
        os.write(self._file, f"{request_id} {price}\n".encode())

    def charges(self) -> dict[RequestId, int]:
        return {RequestId(request): price for request, price in charges_in(self._path)}

    def total(self) -> int:
        return sum(self.charges().values())


def charges_in(path: Path) -> list[tuple[str, int]]:
    """Every charge of the file, as request and price.

    A reader may see half of a line that another process is writing: it is read next time.
    """
    whole, _, _ = path.read_text().rpartition("\n")
    lines = (line.split() for line in whole.splitlines())
    return [(request, int(price)) for request, price in lines]


class ReconciledLedger:
    """A ledger that knows of the dead what the provider charged them for.

    No replica begins, or meets a Redis without a memory, when something was spent already.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def spent_since(self, tenant_id: TenantId, scope: str, start: datetime) -> int:
        return 0

    async def spent_by(
        self,
        tenant_id: TenantId,
        requests: Collection[RequestId],
    ) -> dict[RequestId, int]:
        charges = self._provider.charges()
        return {each: charges[each] for each in requests if each in charges}


class Replica:
    def __init__(self, orders: Orders, gate: Gate, provider: Provider) -> None:
        self._orders = orders
        self._gate = gate
        self._provider = provider
        self._chance = random.Random(orders.seed)
        self.counts: Counter[str] = Counter()

    async def burst(self) -> None:
        await asyncio.gather(*(self.ask() for _ in range(self._orders.requests)))

    async def go_on(self) -> None:
        """Ask until the budget is used to the last cent that fits."""
        await asyncio.gather(*(self._keep_asking() for _ in range(16)))

    async def _keep_asking(self) -> None:
        while self._provider.total() < self._orders.target:
            asking = asyncio.create_task(self.ask())
            if self._chance.random() < 0.1:
                await asyncio.sleep(self._chance.random() * 0.01)
                asking.cancel()
            await asyncio.wait([asking])
            if not asking.cancelled():
                asking.result()

    async def ask(self) -> None:
        budgets = [
            Budget("tenant:ten_a", self._orders.limit, "month"),
            Budget("key:key_a", self._orders.limit * 2, "month"),
        ]
        reservation: Reservation | None = None
        spent = 0
        try:
            price = self._orders.price
            request_id = RequestId(new_id("req"))
            reservation = await self._gate.reserve(TENANT, request_id, budgets, price, price)
            await asyncio.sleep(self._chance.random() * 0.005)
            self._provider.charge(request_id, price)
            spent = price
            await asyncio.sleep(self._chance.random() * 0.005)
            self.counts["granted"] += 1
        except BudgetExhausted:
            self.counts["exhausted"] += 1
            await asyncio.sleep(0.01)
        except Unavailable:
            self.counts["unavailable"] += 1
            await asyncio.sleep(0.01)
        finally:
            if reservation:
                await self._gate.finish(None, reservation, spent_micro_usd=spent)


async def main() -> None:
    orders = Orders(**json.loads(sys.stdin.readline()))
    provider = Provider(Path(orders.charges))

    # Four replicas share the machine with other tests: patience, for this is not about time.
    client = RedisClient(orders.url, budget_seconds=5)
    replicas = Replicas(client)
    gate = Gate(
        ReconciledLedger(provider),
        local=MemoryMeter(),
        shared=RedisMeter(client, lease_seconds=orders.lease_seconds),
        replicas=replicas,
        renew_seconds=orders.lease_seconds / 4,
        tick_seconds=orders.lease_seconds / 8,
        recovery_seconds=0,
    )
    tending = asyncio.create_task(gate.run())
    await replicas.beat()
    print("ready", flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.readline)
    replica = Replica(orders, gate, provider)
    await (replica.go_on() if orders.target else replica.burst())
    tending.cancel()
    await gate.close()
    await client.close()
    print(json.dumps(replica.counts), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
