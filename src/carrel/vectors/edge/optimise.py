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
from collections.abc import Collection
from pathlib import Path

FULL_SCAN_KILOBYTES = 10_000  # 10,000 points of 256 dimensions: below, comparing all is as fast
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

    from carrel.vectors.edge.layout import ShardLayout, shard_config, tenant_sizes

    shard = EdgeShard.load(str(target))
    threshold = clear_threshold(tenant_sizes(shard), dimensions)
    shard.close()
    shard = EdgeShard.load(str(target), shard_config(ShardLayout(dimensions, own), threshold))
    shard.optimize()
    shard.flush()
    shard.close()
    (target / DEAD_COUNT).unlink(missing_ok=True)
    os.sync()


def clear_threshold(sizes: Collection[int], dimensions: int) -> int:
    """`full_scan_threshold` in kilobytes, such that no tenant is exactly as large.

    To one that is, the library gives no graph of its own but searches it as if it had
    (recall@10 of 0.5 for 10,000 chunks of 256 dimensions; bench/tenancy found it).
    """
    taken = {size * dimensions * 4 for size in sizes}
    threshold = FULL_SCAN_KILOBYTES
    while threshold * 1024 in taken:
        threshold -= 1
    return threshold


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
