"""`python -m bench.chaos [--documents N] [--kills N]`: kill processes while documents come in."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from bench.chaos.ingestion import measure


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="carrel-chaos-") as folder:
        outcome = asyncio.run(
            measure(Path(folder), count=options.documents, kills=options.kills, seed=options.seed)
        )
    print(outcome)
    return 0 if outcome.sound else 1


if __name__ == "__main__":
    sys.exit(main())
