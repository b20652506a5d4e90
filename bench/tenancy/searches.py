"""The searches that are timed, and what is made of the times.

`hybrid` is the request that the product sends: both lists, a hundred each, and
for a tenant the IDF of its own chunks.
"""

import gc
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from bench.tenancy.questions import NEAREST, Questions
from qdrant_edge import (
    EdgeShard,
    Filter,
    IdfParams,
    Query,
    QueryBatchRequest,
    QueryRequest,
    ScoredPoint,
    SearchParams,
    SparseVector,
)

from carrel.vectors import schema

Search = Callable[[EdgeShard, list[float], list[int], Filter | None], list[ScoredPoint]]


def _dense(limit: int) -> Search:
    def search(
        shard: EdgeShard, dense: list[float], words: list[int], scope: Filter | None
    ) -> list[ScoredPoint]:
        return shard.query(_nearest(dense, limit, scope))

    return search


def _hybrid(
    shard: EdgeShard, dense: list[float], words: list[int], scope: Filter | None
) -> list[ScoredPoint]:
    sparse = QueryRequest(
        limit=100,
        query=Query.Nearest(SparseVector(words, [1.0] * len(words)), using=schema.SPARSE),
        filter=scope,
        params=SearchParams(idf=IdfParams(corpus=scope)) if scope else None,
    )
    found, _ = shard.query_batch(QueryBatchRequest([_nearest(dense, 100, scope), sparse]))
    return found


def _nearest(dense: list[float], limit: int, scope: Filter | None) -> QueryRequest:
    nearest = Query.Nearest(dense, using=schema.DENSE)
    return QueryRequest(limit=limit, query=nearest, filter=scope)


KINDS: dict[str, Search] = {
    "dense top-10": _dense(10),
    "dense top-100": _dense(100),
    "hybrid": _hybrid,
}

AT_LEAST = 20  # samples, however long each takes


def timed(
    search: Callable[[int], list[ScoredPoint]], count: int, seconds: float
) -> tuple[list[float], list[list[ScoredPoint]]]:
    """Milliseconds of the searches 0, 1, … *count*, as far as *seconds* go, and what they found."""
    for number in range(min(count, 50)):  # first touches are slower, and not what is asked here
        started = time.perf_counter()
        search(number)
        if time.perf_counter() - started > seconds / AT_LEAST:
            break
    times: list[float] = []
    found: list[list[ScoredPoint]] = []
    gc.collect()
    gc.disable()
    ends = time.perf_counter() + seconds
    for number in range(count):
        started = time.perf_counter()
        found.append(search(number))
        ended = time.perf_counter()
        times.append((ended - started) * 1000)
        if ended > ends and len(times) >= AT_LEAST:
            break
    gc.enable()
    return times, found


def quantiles(milliseconds: Sequence[float]) -> dict[str, float]:
    p50, p99 = np.percentile(milliseconds, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99), "samples": len(milliseconds)}


def recall(
    questions: Questions, found: Sequence[Sequence[ScoredPoint]], *, of_all: bool
) -> dict[str, Any]:
    """Recall@10 over all queries, and that of tenants of each order of magnitude."""
    truth = questions.nearest_of_all if of_all else questions.nearest
    each = np.array([_shared(points, truth[number]) for number, points in enumerate(found)])
    decade = np.floor(np.log10(questions.size[: len(each)])).astype(int)
    by_size = {
        f"{10**power:,}": {
            "recall": float(each[decade == power].mean()),
            "queries": int((decade == power).sum()),
        }
        for power in sorted(set(decade.tolist()))
    }
    return {"all": float(each.mean()), "by_size": by_size}


def _shared(points: Sequence[ScoredPoint], truth: np.ndarray) -> float:
    expected = {row for row in truth.tolist() if row >= 0}
    got = {uuid.UUID(str(point.id)).int for point in points[:NEAREST]}
    return len(expected & got) / len(expected)
