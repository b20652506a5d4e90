"""An answer that was given before, against a bare route that does one GET of Redis.

The whole path is measured: authentication, limits, cache, ledger. The servers, one process
each, are asked in turn (A B C A B C …) within one run, and give as many bytes.
"""

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.caching.bare import KEY
from bench.measure import Figure, Run
from bench.micro.latency import quantile_ms
from bench.micro.served import Served, load, served
from redis.asyncio import Redis
from tests import services
from tests.acceptance.server import free_port

CLIENTS = (1, 32)
ROUNDS = 5
SECONDS = 2.0
DOCUMENTS = 20
PLENTY = {"requests_per_minute": 10**7, "tokens_per_minute": 10**9}
QUESTION = "How long do refunds take?"
REFUNDS = "Refunds take {} days after the return of the goods, says rule {}. " * 4


@dataclass
class Target:
    """A server to ask, and what came of it by the number of clients."""

    name: str
    port: int
    request: str
    rates: dict[int, list[float]] = field(default_factory=dict[int, list[float]])
    seconds: dict[int, list[float]] = field(default_factory=dict[int, list[float]])

    async def ask(self, clients: int, seconds: float) -> None:
        orders = {
            "port": self.port,
            "request": self.request,
            "clients": clients,
            "seconds": seconds,
        }
        command = (sys.executable, "-m", "bench.caching.drive")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = await asyncio.create_subprocess_exec(*command, **pipes)
        out, _ = await process.communicate(json.dumps(orders).encode())
        found = json.loads(out)
        assert not found["faults"], f"{self.name}: {found['faults']} were no answers"
        self.rates.setdefault(clients, []).append(len(found["seconds"]) / seconds)
        self.seconds.setdefault(clients, []).extend(found["seconds"])


async def measure(run: Run) -> list[Figure]:
    """Answers a second, p50 and p99 of each, and the ratios to the bare route."""
    with services.redis() as redis:
        shared = {"CARREL_REDIS_URL": redis.url}
        async with (
            served(run.folder / "memory") as in_memory,
            served(run.folder / "redis", shared) as in_redis,
        ):
            body = await _prepared(in_memory)
            await _prepared(in_redis)
            client = Redis.from_url(redis.url)
            await client.set(KEY, body)
            await client.aclose()
            with _bare(redis.url) as bare:
                targets = [
                    Target("bare", bare, _request("none")),
                    Target("in memory", in_memory.server.port, _request(in_memory.tenant.key)),
                    Target("in Redis", in_redis.server.port, _request(in_redis.tenant.key)),
                ]
                await _until_up(bare)
                for clients in CLIENTS:
                    for number in range(2 if run.quick else ROUNDS):
                        run.say(f"{clients} clients, round {number + 1}")
                        for target in targets:
                            await target.ask(clients, 0.5 if run.quick else SECONDS)
    return [*_figures(targets), Figure("bytes of an answer", len(body), "")]


def _figures(targets: list[Target]) -> Iterator[Figure]:
    bare = targets[0]
    for clients in CLIENTS:
        suffix = f", {clients} clients"
        for target in targets:
            rate = statistics.median(target.rates[clients])
            ms = [quantile_ms(target.seconds[clients], share) for share in (0.5, 0.99)]
            note = f"p50 {ms[0]:.2f} ms, p99 {ms[1]:.2f} ms"
            yield Figure(f"{target.name}{suffix}", rate, "/s", note)
        for target in targets[1:]:
            pairs = zip(target.rates[clients], bare.rates[clients], strict=True)
            ratios = [ours / theirs for ours, theirs in pairs]
            note = ", ".join(f"{each:.2f}" for each in ratios)
            median = statistics.median(ratios)
            yield Figure(f"{target.name} against bare{suffix}", median, "x", note)


async def _prepared(it: Served) -> bytes:
    """The answer, as it is given the second time."""
    _, tenants = await it.admin.get("/admin/tenants")
    path = f"/admin/tenants/{tenants['data'][0]['id']}"
    status, _ = await it.admin.call("PATCH", path, json={"limits": PLENTY})
    assert status == 200
    await load(it.tenant, (REFUNDS.format(*[n] * 8) for n in range(DOCUMENTS)))
    for expected in ("miss", "exact"):
        status, answer = await it.tenant.post("/v1/query", {"question": QUESTION})
        assert (status, answer["cache"]["status"]) == (200, expected), answer
    return json.dumps(answer, separators=(",", ":")).encode()


@contextlib.contextmanager
def _bare(redis_url: str) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "bench.caching.bare", str(port), redis_url]
    with subprocess.Popen(command) as process:
        yield port
        process.terminate()


async def _until_up(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


def _request(key: str | None) -> str:
    body = json.dumps({"question": QUESTION})
    return (
        "POST /v1/query HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    )
