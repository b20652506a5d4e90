"""`python -m bench.load`: users by the thousand against a whole server, and a report of it.

All of it runs on this machine: users, simulated model, Redis, Carrel. build/load/ has the report
(index.html), its plots, locust's own report, and all figures as JSON.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.load import memory, plan, plots, report, results
from bench.load.plan import Plan
from bench.load.sampler import Sampler
from bench.load.stand import Setup, Stand, stand
from bench.report import _commit, machine, write_json
from tests.acceptance.server import free_port

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "build" / "load"
RESULTS = ROOT / "bench" / "results"


def main() -> int:
    options = _parser().parse_args()
    chosen = Plan(
        users=options.users,
        steps=tuple(int(n) for n in options.steps.split(",")) if options.steps else (),
        every_seconds=options.every,
        hold_seconds=options.hold,
        repeats=options.repeats,
        leavers=options.leavers,
        uploads_per_second=options.uploads if options.against == "carrel" else 0.0,
        tenants=options.tenants,
        ttft_ms=options.ttft_ms,
        tokens_per_second=options.tokens_per_second,
        tokens=options.tokens,
        protocol="carrel" if options.against == "carrel" else "chat",
    )
    setup = Setup(
        workers=options.workers,
        redis=not options.without_redis,
        gateway=options.gateway,
        against=options.against,
        environment=tuple(tuple(each.split("=", 1)) for each in options.set),  # type: ignore[misc]
    )
    shutil.rmtree(options.output, ignore_errors=True)
    options.output.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="carrel-load-") as folder:
        figures = asyncio.run(_run(chosen, setup, Path(folder), options))
    faults = sum(sum(stage["faults"].values()) for stage in figures)
    for stage in figures:
        print("\n".join(f"{name:<36}{value}" for name, value in stage.items()), end="\n\n")
    print(f"Report: {options.output / 'index.html'}")
    foreign = any(stage["another tenant's words"] for stage in figures)
    return 1 if foreign or (options.strict and faults) else 0


async def _run(
    chosen: Plan, setup: Setup, folder: Path, options: argparse.Namespace
) -> list[dict[str, Any]]:
    here = machine()
    print(f"Starting: {_words(chosen, setup)}", flush=True)
    async with stand(folder, chosen, setup) as it:
        extra: dict[str, Any] = {}
        if setup.against == "carrel" and not options.without_memory:
            extra["KiB by open stream"] = round(await memory.kibibytes_by_stream(it, chosen), 1)
        ready = replace(chosen, members=it.members, url=it.url, folder=str(folder))
        seconds = len(chosen.stages) * chosen.stage_seconds
        print(f"Running for {seconds:.0f} s", flush=True)
        began, samples = await _loaded(ready, it, folder, options)
        if it.admin is not None:
            extra |= await _ledger(it)
        with contextlib.suppress(FileNotFoundError):  # there is none of a relay
            shutil.copy(folder / "server.log", options.output / "server.log")
    records = results.read_records(folder)
    if not records:
        raise SystemExit(f"No user asked anything: see {options.output / 'locust.log'}")
    began = records[0]["at"]  # locust takes some seconds before the first user comes
    found = results.stages(chosen, began, records, samples)
    figures = [results.figures(chosen, stage) for stage in found]
    figures[-1] |= extra
    drawn = plots.draw(
        chosen,
        began=began,
        records=records,
        samples=samples,
        stages=found,
        folder=options.output,
    )
    busy = here["load_average"][0]
    machine_said = f"{here['processor']}, {here['cores']} cores, all on one machine"
    said = [_words(chosen, setup), f"{machine_said}; load average {busy} before the start."]
    report.write(
        options.output / "index.html",
        title=f"Carrel under the load of {chosen.stages[-1]:,} users",
        said=said,
        stages=figures,
        plots=drawn,
    )
    now = datetime.now(UTC)
    written = {
        "at": now.isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": here,
        "plan": {name: value for name, value in asdict(chosen).items() if name != "members"},
        "setup": asdict(setup),
        "stages": figures,
    }
    write_json(written, options.output / "figures.json")
    write_json(written, RESULTS / f"load-{now:%Y%m%dT%H%M%SZ}.json")
    return figures


async def _loaded(
    ready: Plan, it: Stand, folder: Path, options: argparse.Namespace
) -> tuple[float, list[Any]]:
    """When the first user came, and samples of all processes."""
    ready.write(folder / "plan.json")
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary"]
    command += ["-f", str(Path(__file__).parent / "locustfile.py")]
    command += ["--html", str(options.output / "locust.html"), "--stop-timeout", "30"]
    command += ["--processes", str(options.generators), "--loglevel", "WARNING"]
    port = str(free_port())  # two runs on one machine, or what is left of one that was killed
    command += ["--master-bind-host", "127.0.0.1", "--master-bind-port", port]
    command += ["--master-port", port]
    environment = os.environ | {
        plan.VARIABLE: str(folder / "plan.json"),
        "LOCUST_WAIT_FOR_WORKERS_REPORT_AFTER_RAMP_UP": "1",
        "PYTHONPATH": str(ROOT),
    }
    log = (options.output / "locust.log").open("w")
    began = time.time()
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=log, stderr=log, cwd=ROOT
    )
    sampler = Sampler(it.pids | {"users": process.pid})
    sampling = asyncio.create_task(sampler.run())
    try:
        await process.wait()
    finally:
        sampling.cancel()
        log.close()
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return began, sampler.samples


async def _ledger(it: Stand) -> dict[str, Any]:
    """What Carrel's own ledger says of the whole run, to hold against what users were told."""
    assert it.admin is not None
    await asyncio.sleep(3)  # it is written together, a moment later
    status, told = await it.admin.get("/admin/usage")
    assert status == 200, told
    rows = told["data"]
    return {
        "ledger, whole run: requests": sum(row["requests"] for row in rows),
        "ledger, whole run: completion tokens": sum(row["completion_tokens"] for row in rows),
        "ledger, whole run: cost_usd": round(sum(float(row["cost_usd"] or 0) for row in rows), 4),
    }


def _words(chosen: Plan, setup: Setup) -> str:
    where = "Redis" if setup.redis else "in memory"
    gateway = ", behind nginx with TLS" if setup.gateway else ""
    processes = f"{setup.workers} API process{'es' if setup.workers > 1 else ''}"
    server = {
        "carrel": f"Carrel, {processes}, {where}{gateway}",
        "relay": "a bare relay",
        "simulator": "the simulator alone",
    }[setup.against]
    users = ", then ".join(f"{each:,}" for each in chosen.stages)
    return (
        f"{users} users of {chosen.tenants} tenants, a question every "
        f"{chosen.every_seconds:g} s each, {chosen.repeats:.0%} asked before; "
        f"answers of {chosen.tokens} tokens at "
        f"{chosen.tokens_per_second:g}/s after {chosen.ttft_ms:g} ms; {server}."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    usual = Plan()
    number = {"metavar": "N"}
    parser.add_argument("--users", type=int, default=usual.users, **number)
    parser.add_argument("--steps", metavar="N,N,…", help="several numbers of users, one by one")
    parser.add_argument("--every", type=float, default=usual.every_seconds, metavar="SECONDS")
    parser.add_argument(
        "--hold", type=float, default=usual.hold_seconds, metavar="SECONDS", help="of each step"
    )
    parser.add_argument("--repeats", type=float, default=usual.repeats, metavar="SHARE")
    parser.add_argument("--leavers", type=float, default=usual.leavers, metavar="SHARE")
    parser.add_argument("--uploads", type=float, default=usual.uploads_per_second, metavar="RATE")
    parser.add_argument("--tenants", type=int, default=usual.tenants, **number)
    parser.add_argument("--ttft-ms", type=float, default=usual.ttft_ms, **number)
    parser.add_argument("--tokens-per-second", type=float, default=usual.tokens_per_second)
    parser.add_argument("--tokens", type=int, default=usual.tokens, **number)
    parser.add_argument("--workers", type=int, default=1, help="API processes of Carrel")
    parser.add_argument("--gateway", action="store_true", help="nginx before it, as in deploy/")
    parser.add_argument("--without-redis", action="store_true")
    parser.add_argument("--without-memory", action="store_true", help="leave out memory by stream")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting"
    )
    parser.add_argument(
        "--against",
        choices=("carrel", "relay", "simulator"),
        default="carrel",
        help="what users ask: the last two show what the test itself costs",
    )
    parser.add_argument("--generators", type=int, default=2, help="processes of users")
    parser.add_argument("--strict", action="store_true", help="fail at any fault at all")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return parser


if __name__ == "__main__":
    sys.exit(main())
