"""One cell: `python -m bench.tenancy.probe LAYOUT DATASET FOLDER SECONDS`, figures as JSON.

A fresh process, so that its memory is that of the open shards and of nothing
that was done to make them.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.tenancy import stores
from bench.tenancy.plan import Dataset, Layout, Store
from bench.tenancy.process import memory
from bench.tenancy.questions import Questions
from bench.tenancy.searches import KINDS, Search, quantiles, recall, timed
from qdrant_edge import EdgeShard, ScoredPoint


def main() -> None:
    layout, dataset = Layout(sys.argv[1]), Dataset.parse(sys.argv[2])
    folder, seconds = Path(sys.argv[3]), float(sys.argv[4])
    questions = Questions.load(folder)
    before = memory()
    started = time.perf_counter()
    store = layout.stored_as
    opened = [stores.load(store, path) for path in stores.paths(store, folder, dataset.tenants)]
    opening = time.perf_counter() - started
    loaded = memory()
    kinds = {
        name: _measure(search, opened, layout, questions, seconds) for name, search in KINDS.items()
    }
    searched = memory()
    info = [shard.info() for shard in opened]
    print(
        json.dumps(
            {
                "open_seconds": opening,
                "loaded_mb": {key: loaded[key] - before[key] for key in before},
                "searched_mb": {key: searched[key] - before[key] for key in before},
                "segments": sum(one.segments_count for one in info),
                # Sparse vectors always count as indexed, dense ones once they are in a graph.
                "in_a_segment_with_graphs": sum(
                    one.indexed_vectors_count - one.points_count for one in info
                ),
                "kinds": kinds,
            }
        )
    )
    for shard in opened:
        shard.close()


def _measure(
    search: Search,
    opened: list[EdgeShard],
    layout: Layout,
    questions: Questions,
    seconds: float,
) -> dict[str, Any]:
    asked = list(
        zip(
            questions.tenant.tolist(),
            questions.dense.tolist(),
            questions.words.tolist(),
            strict=True,
        )
    )
    apart = layout.stored_as is Store.APART

    def one(number: int) -> list[ScoredPoint]:
        tenant, dense, words = asked[number]
        return search(opened[tenant if apart else 0], dense, words, stores.scope(layout, tenant))

    times, found = timed(one, len(asked), seconds)
    of_all = layout is Layout.NO_FILTER
    return quantiles(times) | {"recall": recall(questions, found, of_all=of_all)}


if __name__ == "__main__":
    main()
