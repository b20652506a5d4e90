"""`python -m bench.ingestion [--quick]`: how fast documents become searchable."""

import argparse
import asyncio
import os
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.ingestion.corpus import notes, pdfs, reports
from bench.ingestion.stages import stages
from bench.ingestion.throughput import rates, searches
from bench.report import machine, write_json

RESULTS = Path(__file__).parents[1] / "results"


async def run(*, quick: bool) -> None:
    scale = 1 if quick else 8
    found: dict[str, Any] = {"machine": machine(), "stages": {}, "rates": []}
    corpora = [notes(100 * scale), reports(15 * scale), pdfs(5 * scale)]
    with tempfile.TemporaryDirectory(prefix="carrel-bench-ingestion-") as name:
        folder = Path(name)
        for corpus in corpora[1:]:
            print(f"Stages, {corpus.name}")
            (folder / corpus.name).mkdir()
            taken = await stages(corpus, folder / corpus.name)
            found["stages"][corpus.name] = [asdict(stage) for stage in taken]
            for stage in taken:
                print(f"  {stage}", flush=True)
        print("From upload to ready")
        for cores in (1, 2, 4):
            if cores > len(os.sched_getaffinity(0)):
                break
            for rate in await rates(corpora, cores, folder / f"cores-{cores}"):
                print(f"  {rate}", flush=True)
                found["rates"].append(asdict(rate))
        print("Searches")
        idle, busy = await searches(reports(30 * scale), folder / "searches", idle_seconds=10)
        print(f"  idle       {idle}\n  ingesting  {busy}")
        found["searches"] = {"idle": asdict(idle), "ingesting": asdict(busy)}
    path = RESULTS / f"ingestion-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    await asyncio.to_thread(write_json, found, path)
    print(f"Written to {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.ingestion", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the documents")
    asyncio.run(run(quick=parser.parse_args().quick))
