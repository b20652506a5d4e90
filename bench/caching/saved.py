"""`python -m bench.caching.saved`: what the caches save, and whether anything given was stale.

A trace is replayed with each cache on and off; then answers are asked for again after edits.
"""

import argparse
import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from bench.caching import edits, trace
from bench.caching.trace import Cell
from bench.report import machine, write_json
from bench.retrieval.datasets import data_folder
from rich.console import Console
from rich.table import Table

ASSETS = Path(__file__).parents[2] / "docs" / "assets" / "caching"
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"
_COLOURS = {"miss": GREY, "shared": ORANGE, "exact": BLUE, "semantic": GREEN}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="the folder with xquad")
    parser.add_argument("--questions", type=int, default=trace.QUESTIONS, help="of a trace")
    parser.add_argument("--edits", type=int, default=500, help="questions asked again after edits")
    options = parser.parse_args()
    console = Console(highlight=False, width=130)
    data = data_folder(options.data)
    cells = asyncio.run(trace.measure(options.questions))
    console.print(_table(cells))
    edited = asyncio.run(edits.measure(data, options.edits))
    console.print(
        f"{edited.asked} questions asked again: after a change of what they cite, stale "
        f"{edited.stale}, given again {edited.cited_changed_still_given}; after another change, "
        f"given again {edited.unrelated_changed_still_given}"
    )
    report = {
        "machine": machine(),
        "trace": [_row(cell, cells) for cell in cells],
        "edits": asdict(edited),
    }
    write_json(report, ASSETS / "saved.json")
    _draw(cells, ASSETS / "saved.svg")
    console.print(f"Written to {ASSETS}")


def _row(cell: Cell, cells: list[Cell]) -> dict[str, Any]:
    without = next(c for c in cells if c.repeats == cell.repeats and c.setup == "none")
    middle, high = (1000 * float(q) for q in np.quantile(cell.seconds, (0.5, 0.99)))
    return {
        "repeats": cell.repeats,
        "caches": cell.setup,
        "llm_calls": cell.by_status["miss"],
        "exact": cell.by_status["exact"],
        "shared": cell.by_status["shared"],
        "semantic": cell.by_status["semantic"],
        "cost_usd": round(cell.cost_usd, 6),
        "saved": 1 - cell.cost_usd / without.cost_usd,
        "p50_ms": middle,
        "p99_ms": high,
        "hit_p50_ms": 1000 * float(np.median(cell.hit_seconds)) if cell.hit_seconds else None,
        "stale": cell.stale,
        "wrong": cell.wrong,
    }


def _table(cells: list[Cell]) -> Table:
    table = Table(title=f"{len(cells[0].seconds)} questions a trace")
    rows = [_row(cell, cells) for cell in cells]
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="left" if name == "caches" else "right")
    for row in rows:
        table.add_row(*(_shown(name, value) for name, value in row.items()))
    return table


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in {"saved", "repeats"}:
        return f"{value:.0%}"
    return f"{value:.1f}" if name.endswith("_ms") else str(value)


def _draw(cells: list[Cell], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "carrel", "font.size": 10})
    mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 3.8), layout="constrained")
    names = [f"{cell.repeats:.0%} repeats: {cell.setup}" for cell in cells][::-1]
    left = np.zeros(len(cells))
    for status, colour in _COLOURS.items():
        counts = [100 * cell.by_status[status] / len(cell.seconds) for cell in cells][::-1]
        axes.barh(names, counts, left=left, color=colour, label=status)
        left += counts
    axes.set(xlabel="questions (%)", xlim=(0, 100))
    axes.set_title("How questions were answered: a miss is a call of the model")
    axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")
    plt.close(figure)


if __name__ == "__main__":
    main()
