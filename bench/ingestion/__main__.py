"""`python -m bench.ingestion [--quick]`: how fast documents become searchable."""

import argparse
import asyncio
import os
import tempfile
from pathlib import Path

from bench.ingestion.corpus import notes, pdfs, reports
from bench.ingestion.stages import stages
from bench.ingestion.throughput import rates, searches


async def run(*, quick: bool) -> None:
    scale = 1 if quick else 8
    corpora = [notes(100 * scale), reports(15 * scale), pdfs(5 * scale)]
    with tempfile.TemporaryDirectory(prefix="carrel-bench-ingestion-") as name:
        folder = Path(name)
        for corpus in corpora[1:]:
            print(f"Stages, {corpus.name}")
            (folder / corpus.name).mkdir()
            for stage in await stages(corpus, folder / corpus.name):
                print(f"  {stage}", flush=True)
        print("From upload to ready")
        for cores in (1, 2, 4):
            if cores > len(os.sched_getaffinity(0)):
                break
            for rate in await rates(corpora, cores, folder / f"cores-{cores}"):
                print(f"  {rate}", flush=True)
        print("Searches")
        idle, busy = await searches(reports(30 * scale), folder / "searches", idle_seconds=10)
        print(f"  idle       {idle}\n  ingesting  {busy}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.ingestion", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the documents")
    asyncio.run(run(quick=parser.parse_args().quick))
