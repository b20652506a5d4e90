"""`python -m bench.peers`: a bare relay, Carrel and the LiteLLM proxy, side by side in one run.

All relay the same prompts from the same simulator, are asked in turn, round by round, and read by
the same client. Every server has one API process, or `--workers N`.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from bench.micro.latency import quantile_ms
from bench.micro.processes import tree
from bench.peers import litellm, targets
from bench.peers.targets import Target
from bench.report import _commit, machine, plain, write_json
from rich.console import Console
from rich.table import Table
from tests import services

RESULTS = Path(__file__).parents[1] / "results"
TOKENS = 200
CROWDS = (16, 256)
LOW = {"ttft_ms": 20, "tokens_per_second": 0, "tokens": 20}
PACED = {"ttft_ms": 100, "tokens_per_second": 50, "tokens": TOKENS}
RUSHED = {"ttft_ms": 10, "tokens_per_second": 2000, "tokens": TOKENS}
HIT_CLIENTS = 32


@dataclass
class Found:
    """What came of one server: figures by name, each a list by round."""

    target: Target
    idle_mebibytes: float = 0.0
    figures: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    first: list[float] = field(default_factory=list[float])
    faults: list[str] = field(default_factory=list[str])

    def add(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)

    def median(self, name: str) -> float | None:
        values = self.figures.get(name)
        return statistics.median(values) if values else None


class Comparison:
    """Asks all servers for the same, in turn."""

    def __init__(self, upstream: str, found: list[Found], console: Console) -> None:
        self._upstream = upstream
        self._found = found
        self._console = console

    async def measure(self, *, rounds: int, seconds: float) -> None:
        for found in self._found:
            found.idle_mebibytes = _mebibytes(found.target.pid)
        await self._added(rounds * 3)
        for clients in CROWDS:
            await self._streams(f"{clients} paced", PACED, clients, rounds, seconds + 4)
            await self._streams(f"{clients} rushed", RUSHED, clients, rounds, seconds)
        await self._hits(rounds, seconds / 2)

    async def _added(self, rounds: int) -> None:
        """Seconds to the first token with one client, who asks one question after the other."""
        await self._behave(LOW)
        for number in range(rounds + 1):
            for found in self._found:
                self._say(f"first token, round {number} of {rounds}", found)
                given = await _drive("bench.peers.drive", found.target, 1, 2.0)
                if number:  # the first round warms up
                    found.first += given["first"]
                found.faults += given["faults"]

    async def _streams(
        self, name: str, behaviour: dict[str, float], clients: int, rounds: int, seconds: float
    ) -> None:
        await self._behave(behaviour)
        for number in range(rounds):
            for found in self._found:
                self._say(f"{name}, round {number + 1} of {rounds}", found)
                cpu = _cpu_seconds(found.target.pid)
                given = await _drive("bench.peers.drive", found.target, clients, seconds)
                cpu = _cpu_seconds(found.target.pid) - cpu
                answers = len(given["total"])
                found.faults += given["faults"]
                if given["unfinished"]:
                    found.add(f"{name}: unfinished", given["unfinished"])
                if not answers:
                    continue
                # What began before the time was up is read to its end.
                found.add(f"{name}: streams/s", answers / given["seconds"])
                found.add(f"{name}: tokens/s", answers * TOKENS / given["seconds"])
                found.add(f"{name}: CPU µs a token", cpu * 1e6 / answers / TOKENS)
                found.add(f"{name}: first token p50 ms", quantile_ms(given["first"], 0.5))
                found.add(f"{name}: first token p99 ms", quantile_ms(given["first"], 0.99))
                found.add(f"{name}: MiB", _mebibytes(found.target.pid))

    async def _hits(self, rounds: int, seconds: float) -> None:
        for _ in range(rounds):
            for found in self._found:
                if not found.target.repeated:
                    continue
                self._say("answers given before", found)
                given = await _drive(
                    "bench.caching.drive", found.target, HIT_CLIENTS, seconds, repeated=True
                )
                found.faults += ["no answer that was given before"] * given["faults"]
                found.add("hits: /s", len(given["seconds"]) / seconds)
                found.add("hits: p50 ms", quantile_ms(given["seconds"], 0.5))
                found.add("hits: p99 ms", quantile_ms(given["seconds"], 0.99))

    async def _behave(self, changes: dict[str, float]) -> None:
        url = self._upstream.removesuffix("/v1") + "/behaviour"
        async with aiohttp.ClientSession() as session, session.post(url, json=changes) as response:
            assert response.status == 200

    def _say(self, what: str, found: Found) -> None:
        self._console.print(f"[dim]{datetime.now(UTC):%H:%M:%S} {what}: {found.target.name}")


async def _drive(
    module: str, target: Target, clients: int, seconds: float, *, repeated: bool = False
) -> dict[str, Any]:
    orders: dict[str, Any] = {"port": target.port, "clients": clients, "seconds": seconds}
    orders |= {"request": target.repeated} if repeated else {"requests": target.streamed}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, **pipes)
    out, _ = await process.communicate(json.dumps(orders).encode())
    assert process.returncode == 0, f"{target.name}: the client failed"
    return json.loads(out)


def _mebibytes(pid: int) -> float:
    return sum(each.pss_bytes for each in tree(pid)) / 2**20


def _cpu_seconds(pid: int) -> float:
    return sum(each.cpu_seconds for each in tree(pid))


async def compare(options: argparse.Namespace, folder: Path, console: Console) -> list[Found]:
    """All servers, started and measured."""
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(services.redis())
        upstream, simulator_pid = await stack.enter_async_context(_simulator())
        found: list[Found] = []
        started = [("Carrel, in memory", {})] if options.workers == 1 else []
        started += [("Carrel, Redis", {"CARREL_REDIS_URL": redis.url})]
        answer, made = b"", None
        for name, environment in started:
            console.print(f"[dim]{datetime.now(UTC):%H:%M:%S} starting {name}")
            port, pid, tenant = await stack.enter_async_context(
                targets.carrel(
                    folder / f"carrel-{len(found)}",
                    environment,
                    upstream=upstream,
                    workers=options.workers,
                )
            )
            made = made or await targets.prompts_of(tenant)
            target = await targets.carrel_target(name, port, pid, tenant, made)
            _, given = await tenant.post(
                "/v1/chat/completions",
                {"model": "sim", "messages": [{"role": "user", "content": made.questions[0]}]},
            )
            answer = orjson.dumps(given)
            found.append(Found(target))
        assert made is not None
        port, pid = stack.enter_context(targets.relay(upstream, redis.url, options.workers))
        relay = await targets.relay_target(port, pid, redis.url, answer, made)
        found.insert(0, Found(relay))
        direct = targets.direct_target(int(upstream.split(":")[2][:-3]), simulator_pid, made)
        found.insert(0, Found(direct))
        if not options.without_litellm:
            console.print("[dim]starting LiteLLM")
            proxy = litellm.proxy(
                folder, upstream=upstream, redis_url=redis.url, workers=options.workers
            )
            port, pid = stack.enter_context(proxy)
            found.append(Found(await targets.litellm_target(port, pid, made)))
        comparison = Comparison(upstream, found, console)
        await comparison.measure(rounds=options.rounds, seconds=options.seconds)
        return found


def _simulator() -> Any:
    from bench.peers.simulator import simulator

    return simulator()


def main() -> int:
    options = _parser().parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    here = machine()
    version = "" if options.without_litellm else litellm.install()
    with tempfile.TemporaryDirectory(prefix="carrel-peers-") as folder:
        found = asyncio.run(compare(options, Path(folder), console))
    report = _report(found, here, version, options)
    console.print(_table(found, options.workers))
    for each in found:
        if each.faults:
            console.print(f"{each.target.name}: {len(each.faults)} faults: {each.faults[0]}")
    write_json(report, options.json)
    console.print(f"LiteLLM {version or 'left out'}. Written to {options.json}")
    return 0


def _report(
    found: list[Found], here: dict[str, Any], version: str, options: argparse.Namespace
) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": here,
        "litellm": version or None,
        "workers": options.workers,
        "rounds": options.rounds,
        "servers": {
            each.target.name: {
                "idle MiB": round(each.idle_mebibytes, 1),
                **_added_figures(each, found[0]),
                **{name: round(each.median(name) or 0, 3) for name in each.figures},
                "faults": len(each.faults),
            }
            for each in found
        },
    }


def _added_figures(each: Found, direct: Found) -> dict[str, float]:
    if not each.first:
        return {}
    return {
        f"added to first token, p{share:g} ms": round(
            quantile_ms(each.first, share / 100) - quantile_ms(direct.first, share / 100), 3
        )
        for share in (50, 99)
    }


def _table(found: list[Found], workers: int) -> Table:
    table = Table(title=f"{workers} API process{'es' if workers > 1 else ''} each")
    table.add_column("figure")
    for each in found:
        table.add_column(each.target.name, justify="right")
    rows: dict[str, list[str]] = {"idle MiB": [plain(each.idle_mebibytes) for each in found]}
    for name in _added_figures(found[0], found[0]):
        rows[name] = [
            plain(value) if (value := _added_figures(each, found[0]).get(name)) is not None else "–"
            for each in found
        ]
    for name in found[1].figures:
        medians = [each.median(name) for each in found]
        rows[name] = ["–" if value is None else plain(value) for value in medians]
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--workers", type=int, default=1, help="API processes of each server")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--without-litellm", action="store_true")
    parser.add_argument(
        "--json",
        type=Path,
        default=RESULTS / f"peers-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json",
        help="where the figures go",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
