"""Copies a shard and optimises the copy.

`python -m carrel.vectors.edge.optimise FROM TO PARENT DIMENSIONS own|shared`

A process of its own, because the library's `optimize` holds the interpreter lock
to its end (15 s for 60,000 points). "copied" on standard output says that FROM
is no longer read, and status 0 that TO is complete and on the disk.
"""

import ctypes
import os
import shutil
import signal
import sys
from pathlib import Path

DEAD_COUNT = "carrel.dead"  # the shard's note of deleted points, which the copy is rid of
OWN, SHARED = "own", "shared"

_PR_SET_PDEATHSIG = 1


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    parent, dimensions, own = int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == OWN
    _die_with(parent)
    shutil.copytree(source, target)
    sys.stdout.write("copied\n")
    sys.stdout.flush()
    os.nice(19)

    from qdrant_edge import EdgeShard

    from carrel.vectors.edge.layout import (
        ShardLayout,
        clear_threshold,
        shard_config,
        tenant_sizes,
    )

    shard = EdgeShard.load(str(target))
    threshold = clear_threshold(tenant_sizes(shard), dimensions)
    shard.close()
    shard = EdgeShard.load(str(target), shard_config(ShardLayout(dimensions, own), threshold))
    shard.optimize()
    shard.flush()
    shard.close()
    (target / DEAD_COUNT).unlink(missing_ok=True)
    os.sync()


def _die_with(parent: int) -> None:
    """End when the engine does: `optimize` leaves no thread of this process to notice it.

    Elsewhere than on Linux an orphan works to its end; the next engine removes what it made.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    main()
