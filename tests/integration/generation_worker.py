"""A replica that asks one question many times: `python -m tests.integration.generation_worker`.

Reads its orders as JSON from standard input, prints `ready`, begins with the next line, and
prints what its readers read as JSON. Each start of a leader is a line of a file.
"""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from carrel.domain.ids import TenantId
from carrel.generations.events import Restarted
from carrel.generations.flight import Writer
from carrel.generations.redis import RedisGenerations
from carrel.redis.client import RedisClient

TENANT = TenantId("ten_a")


@dataclass(frozen=True)
class Orders:
    """Join *readers* times; whoever leads writes *events*, with *pause_seconds* between.

    With *stay_seconds*, readers leave after that long.
    """

    url: str
    starts: str
    readers: int
    events: int
    pause_seconds: float
    lease_seconds: float = 30.0
    stay_seconds: float = 0.0


class Replica:
    def __init__(self, orders: Orders, generations: RedisGenerations) -> None:
        self._orders = orders
        self._generations = generations

    async def ask(self) -> tuple[bool, int, str]:
        """Whether it led, how often it was told of a restart, and the text."""
        words: list[str] = []
        restarts = 0
        with await self._generations.join(TENANT, "key", self.lead) as reader:
            async for item in reader:
                if isinstance(item, Restarted):
                    words.clear()
                    restarts += 1
                else:
                    words.append(item.data.decode())
            return reader.leads, restarts, " ".join(words)

    async def ask_for_a_while(self) -> None:
        asking = asyncio.create_task(self.ask())
        await asyncio.wait([asking], timeout=self._orders.stay_seconds)
        asking.cancel()
        await asyncio.wait([asking])

    async def lead(self, log: Writer) -> None:
        starts = Path(self._orders.starts)
        note(starts, f"begin {os.getpid()}")
        try:
            for n in range(self._orders.events):
                await log.write(f"{os.getpid()}:{n}".encode())
                note(starts, f"event {os.getpid()}")
                await asyncio.sleep(self._orders.pause_seconds)
            note(starts, f"end {os.getpid()}")
        except asyncio.CancelledError:
            note(starts, f"cancelled {os.getpid()}")
            raise


def note(path: Path, line: str) -> None:
    """Add a line in one write, so that those of several processes do not mix."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode() + b"\n")
    os.close(file)


async def main() -> None:
    orders = Orders(**json.loads(sys.stdin.readline()))
    # Patience: the machine is shared with other tests, and this is not about time.
    client = RedisClient(orders.url, budget_seconds=5)
    background = RedisClient(orders.url, budget_seconds=5)
    generations = RedisGenerations(client, background, lease_seconds=orders.lease_seconds)
    running = asyncio.create_task(generations.run())
    await client.call("PING")
    print("ready", flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.readline)
    replica = Replica(orders, generations)
    if orders.stay_seconds:
        await asyncio.gather(*(replica.ask_for_a_while() for _ in range(orders.readers)))
        print("left", flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.readline)
    else:
        read = await asyncio.gather(*(replica.ask() for _ in range(orders.readers)))
        print(json.dumps(read), flush=True)  # noqa: T201
    running.cancel()
    await generations.close()
    await client.close()
    await background.close()


if __name__ == "__main__":
    asyncio.run(main())
