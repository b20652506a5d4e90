"""`python -m bench.retrieval.report`: quality of the product, as a table, JSON and plots.

`--check` measures the default setup alone, on samples, and holds it against floors.json:
the exit status is 1 where quality fell below one.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.report import machine, write_json
from bench.retrieval import fusions, plots, product
from bench.retrieval.datasets import DataMissing, data_folder
from bench.retrieval.floors import broken
from bench.retrieval.product import Figures, Setup
from rich.console import Console
from rich.table import Table

ASSETS = Path(__file__).parents[2] / "docs" / "assets" / "quality"
SAMPLE = 300

STATIC = Setup("static")
SETUPS = (
    STATIC,
    Setup("static, chunks of 100", chunk_tokens=100, ranking_only=True),
    Setup("static, chunks of 400", chunk_tokens=400, ranking_only=True),
)


@asynccontextmanager
async def models() -> AsyncIterator[list[Setup]]:
    """Setups with a model, where fastembed is installed: in the process, and over HTTP."""
    if not find_spec("fastembed") or not find_spec("onnx"):
        yield []
        return
    from bench.models.minilm import minilm
    from bench.simulator.models import serving

    from carrel.embedding.onnx import OnnxEmbedder
    from carrel.embedding.onnx_model import Source

    folder = await asyncio.to_thread(minilm)
    embedder = OnnxEmbedder(Source("all-MiniLM-L6-v2", folder, folder))
    async with serving(embedder) as server:
        yield [
            Setup("onnx", {"CARREL_EMBEDDER__KIND": "onnx", "CARREL_EMBEDDER__PATH": str(folder)}),
            Setup(
                "http",
                {
                    "CARREL_EMBEDDER__KIND": "http",
                    "CARREL_EMBEDDER__BASE_URL": server.base_url,
                    "CARREL_EMBEDDER__MODEL": "all-MiniLM-L6-v2",
                    "CARREL_EMBEDDER__DIMENSIONS": str(embedder.dimensions),
                },
                ranking_only=True,
            ),
        ]
    await embedder.close()


async def measure(data: Path, *, check: bool, only: str | None, console: Console) -> dict[str, Any]:
    setups: dict[str, Figures] = {}
    report: dict[str, Any] = {"machine": machine(), "setups": setups}

    async def take(setup: Setup) -> None:
        if only and setup.name != only:
            return
        with tempfile.TemporaryDirectory(prefix="carrel-quality-") as folder:
            setups[setup.name] = await product.measure(
                setup, data, Path(folder), sample=SAMPLE if check else None, say=console.log
            )

    if check:
        await take(STATIC)
        return report
    for setup in SETUPS:
        await take(setup)
    async with models() as offered:
        if not offered:
            console.log("no models: install the extra onnx, and the package onnx, to measure them")
        for setup in offered:
            await take(setup)
    if not only:
        console.log("fusion")
        report["fusion"] = await fusions.measure(data)
    return report


def show(setups: Mapping[str, Figures], console: Console) -> None:
    table = Table("figure", *setups)
    names = dict.fromkeys(name for figures in setups.values() for name in figures)
    for name in names:
        cells = [figures.get(name) for figures in setups.values()]
        table.add_row(name, *("" if cell is None else f"{cell:.4g}" for cell in cells))
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="the folder with xquad and chunkeval")
    parser.add_argument("--check", action="store_true", help="hold the default against floors.json")
    parser.add_argument("--only", metavar="SETUP", help="measure one setup, by its name")
    parser.add_argument("--output", type=Path, default=ASSETS, help="where figures and plots go")
    options = parser.parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    try:
        data = data_folder(options.data)
    except DataMissing as missing:
        sys.exit(str(missing))
    report = asyncio.run(measure(data, check=options.check, only=options.only, console=console))
    show(report["setups"], console)
    if options.check:
        lines = broken(report["setups"][STATIC.name])
        console.print("\n".join(lines) or "Every floor holds.")
        return 1 if lines else 0
    write_json(report, options.output / "figures.json")
    if explanation := plots.missing():
        console.print(explanation)
    elif not options.only:
        plots.draw(report, options.output)
    console.print(f"Written to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
