"""`python -m bench.tenancy`: what keeping tenants apart costs, as tables, JSON and plots.

About 40 minutes on two cores, or two with `--quick`, which shows that it runs
and proves nothing. `--from PATH` shows what an earlier run wrote.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.report import as_json, machine, print_outcome, print_summary, write_json
from bench.tenancy import plan, plots, tables, verdict
from bench.tenancy.run import Bench, Results, StepFailed
from rich.console import Console

RESULTS = Path(__file__).parent.parent / "results"


def main() -> int:
    options = _parser().parse_args()
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 140
    if options.plots and (missing := plots.missing()):
        console.print(missing)
        return 2
    if options.read:
        report = json.loads(options.read.read_text())
    else:
        try:
            report = _measured(options, console)
        except StepFailed as failure:
            console.print(f"[bold red]A step failed:[/] {failure}")
            return 1
        console.print(f"Written to {options.json}")
    tables.show(report, console)
    outcome = verdict.outcome(report, _seconds(report))
    print_outcome(outcome, console)
    print_summary([outcome], console)
    if options.plots:
        for path in plots.draw(report, options.plots):
            console.print(f"Drawn: {path}")
    return 0


def _measured(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    here = machine()
    console.print(f"{here['processor']}, {here['cores']} cores, load {here['load_average'][0]}")
    started = time.perf_counter()
    chosen = plan.QUICK if options.quick else plan.FULL

    def report(results: Results) -> dict[str, Any]:
        made = {"machine": here, **asdict(results)}
        outcome = verdict.outcome(made, time.perf_counter() - started)
        return as_json([outcome], quick=options.quick) | made

    with (
        console.status("") as status,
        tempfile.TemporaryDirectory(prefix="carrel-bench-tenancy-", dir=options.folder) as folder,
    ):

        def say(line: str) -> None:
            status.update(line)
            if not console.is_terminal:
                console.print(f"{time.perf_counter() - started:6.0f} s  {line}")

        def keep(results: Results) -> None:
            write_json(report(results), options.json)

        return report(Bench(chosen, Path(folder), say, keep).run())


def _seconds(report: dict[str, Any]) -> float:
    return next((bench["seconds"] for bench in report.get("benches", [])), 0.0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.tenancy", description="What keeping tenants apart costs."
    )
    parser.add_argument("--quick", action="store_true", help="small data, few samples; < 2 minutes")
    parser.add_argument("--from", dest="read", type=Path, metavar="PATH", help="show that JSON")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw plots (SVG) there")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="for shards: 8 GB, for a while")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="PATH",
        default=RESULTS / f"tenancy-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json",
        help="where the figures go (default: bench/results/tenancy-<time>.json)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
