"""`python -m bench [NAME …]`: run benches, print their tables, keep their figures as JSON.

The exit status is 0 also when goals are missed, and 1 when a bench broke.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.measure import Bench, Figure, Outcome, Run
from bench.registry import BENCHES
from bench.report import as_json, machine, print_outcome, print_summary, write_json
from rich.console import Console

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    parser = _parser()
    options = parser.parse_args()
    if unknown := set(options.names) - {bench.name for bench in BENCHES}:
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 140  # a log has no width of its own, and 80 would wrap every note
    here = machine()
    load = here["load_average"][0]
    console.print(f"{here['processor']}, {here['cores']} cores, load average {load}")
    if load > 0.5:
        console.print("Something else is running here: expect slower, noisier figures.")
    if sys.dont_write_bytecode:
        console.print("PYTHONDONTWRITEBYTECODE is set: every process compiles what it imports.")
    chosen = [bench for bench in BENCHES if not options.names or bench.name in options.names]
    outcomes: list[Outcome] = []
    for bench in chosen:
        outcomes.append(_run(bench, quick=options.quick, console=console))
        print_outcome(outcomes[-1], console)
        # Written after each bench: what was measured survives an interruption.
        write_json(as_json(outcomes, quick=options.quick), options.json)
    print_summary(outcomes, console)
    console.print(f"Written to {options.json}")
    return 1 if any(outcome.error for outcome in outcomes) else 0


def _run(bench: Bench, *, quick: bool, console: Console) -> Outcome:
    started = time.perf_counter()
    figures: list[Figure] = []
    error = ""
    with (
        console.status(bench.name) as status,
        tempfile.TemporaryDirectory(prefix=f"carrel-bench-{bench.name}-") as folder,
    ):
        run = Run(Path(folder), quick, lambda line: status.update(f"{bench.name}: {line}"))
        try:
            figures = asyncio.run(_measured(bench, run))
        except Exception as failure:  # noqa: BLE001 - the other benches are still to run
            error = f"{type(failure).__name__}: {failure}"
    return Outcome(bench, figures, time.perf_counter() - started, error)


async def _measured(bench: Bench, run: Run) -> list[Figure]:
    return await bench.measure(run)


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {bench.name:<10}{bench.what}" for bench in BENCHES)
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"Measures Carrel on this machine.\n\nbenches:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a bench; without one, all")
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="PATH",
        default=RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json",
        help="where the figures go (default: bench/results/<time>.json)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
