"""Fills and optimises a store: `python -m bench.tenancy.build fill|optimise STORE DATASET FOLDER`.

Prints the seconds it took, peak memory, and size on disk, as JSON. A process of
its own, so that what it leaves in memory is in nobody's figures.
"""

import json
import resource
import subprocess
import sys
import time
import uuid
from pathlib import Path

from bench.tenancy import stores
from bench.tenancy.corpus import Block, Corpus
from bench.tenancy.plan import Dataset, Store
from qdrant_edge import EdgeShard, Point, SparseVector, UpdateOperation

from carrel.vectors import schema

_UPSERT = 1_000
_SENTENCE = "Whoever signs for the delivery notes the time, the number of parcels, and any damage. "
TEXT = _SENTENCE * 7  # 600 characters, as a chunk of 150 tokens has


def main() -> None:
    verb, store, dataset = sys.argv[1], Store(sys.argv[2]), Dataset.parse(sys.argv[3])
    folder = Path(sys.argv[4])
    started = time.perf_counter()
    spent = _fill(store, dataset, folder) if verb == "fill" else _optimise(store, dataset, folder)
    print(
        json.dumps(
            {
                "seconds": spent,
                "wall_seconds": time.perf_counter() - started,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "disk_mb": _disk(folder / store.value),
            }
        )
    )


def _fill(store: Store, dataset: Dataset, folder: Path) -> float:
    """Seconds in the engine, without those that making the data took."""
    spent = 0.0
    corpus = Corpus(dataset)
    everywhere = stores.paths(store, folder, dataset.tenants)
    started = time.perf_counter()
    for path in everywhere:
        stores.create(store, path)
    opened = [stores.load(store, path) for path in everywhere]
    spent += time.perf_counter() - started
    for block in corpus.blocks():
        for shard, points in _by_shard(corpus, block, opened):
            started = time.perf_counter()
            for first in range(0, len(points), _UPSERT):
                shard.update(UpdateOperation.upsert_points(points[first : first + _UPSERT]))
            shard.flush()
            spent += time.perf_counter() - started
    for shard in opened:
        shard.close()
    return spent


def _optimise(store: Store, dataset: Dataset, folder: Path) -> float:
    started = time.perf_counter()
    for path in stores.paths(store, folder, dataset.tenants):
        shard = stores.load(store, path)
        shard.optimize()
        shard.flush()
        shard.close()
    return time.perf_counter() - started


def _by_shard(
    corpus: Corpus, block: Block, opened: list[EdgeShard]
) -> list[tuple[EdgeShard, list[Point]]]:
    tenant, document = (column[block.rows] for column in corpus.documents)
    shares: dict[int, list[Point]] = {}
    for place, owner in enumerate(tenant.tolist()):
        point = _point(block, place, owner, int(document[place]))
        shares.setdefault(owner if len(opened) > 1 else 0, []).append(point)
    return [(opened[number], points) for number, points in shares.items()]


def _point(block: Block, place: int, tenant: int, document: int) -> Point:
    words = block.words[place].tolist()
    row = int(block.rows[place])
    return Point(
        str(uuid.UUID(int=row)),
        {
            schema.DENSE: block.dense[place].tolist(),
            schema.SPARSE: SparseVector(words, [1.0 + (word * 31 + row) % 7 / 7 for word in words]),
        },
        {
            schema.TENANT: stores.tenant_id(tenant),
            schema.VISIBLE_TO: [schema.EVERYONE],
            schema.DOCUMENT: f"doc_{document:026d}",
            schema.VERSION: 1,
            "ordinal": row % 20,
            "text": TEXT,
        },
    )


def _disk(folder: Path) -> float:
    """Megabytes in use; the engine's files have holes, so their lengths say nothing."""
    used = subprocess.run(["du", "-sk", folder], capture_output=True, text=True, check=True).stdout
    return int(used.split()[0]) / 1024


if __name__ == "__main__":
    main()
