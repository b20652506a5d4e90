"""`python -m bench.caching`: what a semantic cache serves rightly and wrongly, by embedder.

Thresholds are chosen on the tuning half of the pairs; all else is measured on the half that was
held back.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.caching import cost, mock, plots, poison
from bench.caching.pairs import pairs
from bench.caching.stand import Stand, stand
from bench.caching.trial import WAYS, Case, cases, crossed, outcome
from bench.report import machine, write_json
from bench.retrieval.datasets import DEFAULT_DATA
from rich.console import Console
from rich.table import Table

ASSETS = Path(__file__).parents[2] / "docs" / "assets" / "semantic-cache"
THRESHOLDS = tuple(n / 100 for n in range(40, 100))
# As high as can be, without losing more than this share of what guards let through at all.
_LOST = 0.05


def environments() -> dict[str, dict[str, str]]:
    """The embedders that can be measured here."""
    found: dict[str, dict[str, str]] = {"static": {}}
    if find_spec("fastembed") and find_spec("onnx"):
        from bench.models.minilm import minilm

        found["MiniLM"] = {
            "CARREL_EMBEDDER__KIND": "onnx",
            "CARREL_EMBEDDER__PATH": str(minilm()),
        }
    return found


def threshold_for(made: Sequence[Case]) -> float:
    """The highest threshold at which nearly all is served that the guards let through."""
    most = outcome(made, "+ guards", THRESHOLDS[0]).right
    return max(
        each for each in THRESHOLDS if outcome(made, "+ guards", each).right >= (1 - _LOST) * most
    )


async def measure(environment: Mapping[str, str], data: Path, say: Console) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="carrel-semantic-") as folder:
        async with stand(Path(folder) / "data", environment) as it:
            return await _measured(it, data, say)


async def _measured(it: Stand, data: Path, say: Console) -> dict[str, Any]:
    say.log(f"{it.embedder.identity}: tuning half")
    tuning = await cases(it, pairs("tuning"))
    threshold = threshold_for(tuning)
    say.log(f"{it.embedder.identity}: held-back half, at {threshold}")
    held_back = await cases(it, pairs("held back"))
    report: dict[str, Any] = {
        "identity": it.embedder.identity,
        "threshold": threshold,
        "sweep": {
            way: [{"threshold": each, **_row(tuning, way, each)} for each in THRESHOLDS]
            for way in WAYS
        },
        "held back": {way: _row(held_back, way, threshold) for way in WAYS},
        "wrongly served": {
            way: dict(
                Counter(
                    case.pair.kind
                    for case in held_back
                    if (said := case.served(way, threshold)) is not None
                    and not (case.pair.same and said == case.pair.cached)
                )
            )
            for way in WAYS
        },
    }
    count, agreeing = crossed(pairs("held back"))
    report["crossed"] = {"pairs": count, "let through": agreeing}
    say.log("poisoning")
    report["poisoning"], passed = await poison.measure(it, pairs("held back"), threshold)
    report["passed guards"] = [[each.kind, each.victim, each.planted] for each in passed]
    say.log("cost")
    report["cost"] = await cost.measure(it, pairs(), threshold)
    if (data / "gptcache_mock.jsonl").is_file():
        say.log("gptcache_mock")
        report["gptcache_mock"] = await mock.measure(it, data, threshold)
    return report


def _row(made: Sequence[Case], way: str, threshold: float) -> dict[str, float]:
    found = outcome(made, way, threshold)
    return asdict(found) | {
        "false_share": found.false_share,
        "share_of_same": found.share_of_same,
    }


def show(report: Mapping[str, Any], console: Console) -> None:
    table = Table("held-back half", "served", "false", "false of served", "paraphrases served")
    for name, found in report["embedders"].items():
        for way, row in found["held back"].items():
            table.add_row(
                f"{name} ≥ {found['threshold']}: {way}",
                str(row["right"] + row["wrong"]),
                str(row["wrong"]),
                f"{100 * row['false_share']:.1f}%",
                f"{100 * row['share_of_same']:.1f}% of {row['same']}",
            )
    console.print(table)
    attacks = Table("poisoning", *poison.STEPS)
    for name, found in report["embedders"].items():
        for kind, row in found["poisoning"].items():
            attacks.add_row(f"{name}: {kind}", *(str(row[step]) for step in poison.STEPS))
    console.print(attacks)
    for name, found in report["embedders"].items():
        console.print(
            f"{name}: of {found['crossed']['pairs']} other pairs, the guards let through "
            f"{len(found['crossed']['let through'])}"
        )
        for part in ("cost", "gptcache_mock"):
            for figure, value in found.get(part, {}).items():
                console.print(f"{name}, {part}: {figure} {value:.3g}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="EMBEDDER", help="static or MiniLM")
    parser.add_argument("--output", type=Path, default=ASSETS, help="where figures and plots go")
    options = parser.parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    data = Path(os.environ.get("CARREL_BENCH_DATA", DEFAULT_DATA))
    report: dict[str, Any] = {"machine": machine(), "embedders": {}}
    for name, environment in environments().items():
        if options.only in {None, name}:
            report["embedders"][name] = asyncio.run(measure(environment, data, console))
    show(report, console)
    write_json(report, options.output / "figures.json")
    if find_spec("matplotlib"):
        plots.draw(report, options.output)
    else:
        console.print("plots need matplotlib: uv sync --group bench")
    console.print(f"Written to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
