"""`python -m bench.chaos.faults [--minutes N] [--seed N]`: random faults under questions."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from bench.chaos.traffic import measure


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="carrel-faults-") as folder:
        outcome = asyncio.run(
            measure(Path(folder), seconds=options.minutes * 60, seed=options.seed)
        )
    print(outcome)
    return 0 if outcome.sound else 1


if __name__ == "__main__":
    sys.exit(main())
