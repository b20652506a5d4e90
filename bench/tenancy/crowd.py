"""What each open shard costs: `python -m bench.tenancy.crowd FOLDER COUNT`.

One process opens the first COUNT shards of the folder, as a tier with a shard for each tenant
would; the kernel's limits say how far that goes. Figures as JSON.
"""

import json
import sys
import time
from pathlib import Path

from bench.tenancy import stores
from bench.tenancy.plan import Store
from bench.tenancy.process import handles, memory
from qdrant_edge import EdgeShard

MOST_MAPPINGS = Path("/proc/sys/vm/max_map_count")


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    paths = stores.paths(Store.APART, folder, count)
    before, held = memory(), handles()
    opened: list[EdgeShard] = []
    started = time.perf_counter()
    opened.extend(stores.load(Store.APART, path) for path in paths)
    opening = time.perf_counter() - started
    after, now = memory(), handles()
    started = time.perf_counter()
    for shard in opened:
        shard.close()
    print(
        json.dumps(
            {
                "shards": count,
                "open_ms": opening / count * 1000,
                "close_ms": (time.perf_counter() - started) / count * 1000,
                "own_mb": (after["own"] - before["own"]) / count,
                "files_mb": (after["files"] - before["files"]) / count,
                "max_mappings": int(MOST_MAPPINGS.read_text()),
                **{name: (now[name] - held[name]) / count for name in held},
            }
        )
    )


if __name__ == "__main__":
    main()
