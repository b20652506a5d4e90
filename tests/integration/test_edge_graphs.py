"""The graph of a compacted shard, and a search that goes past it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from carrel.vectors import schema
from carrel.vectors.edge import wire
from carrel.vectors.edge.layout import ShardLayout, create_shard
from carrel.vectors.edge.optimise import OWN, SHARED
from carrel.vectors.edge.shard import Shard

DIMENSIONS = 1024
POINTS = 2_600  # just as many as have a graph: 10,400 KB of vectors
SLICE = 200
LIMIT = 50
SEEN = [schema.EVERYONE]


@pytest.fixture(scope="module")
def vectors() -> npt.NDArray[np.float32]:
    vectors = np.random.default_rng(3).normal(size=(POINTS, DIMENSIONS)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(params=[OWN, SHARED])
def shard(
    request: pytest.FixtureRequest, tmp_path: Path, vectors: npt.NDArray[np.float32]
) -> Iterator[Shard]:
    """A shard with a graph, of one tenant's own or of all."""
    layout = ShardLayout(DIMENSIONS, own=request.param == OWN)
    create_shard(tmp_path / "first", layout)
    with closing(Shard(tmp_path / "first", layout)) as first:
        for start in range(0, POINTS, SLICE):
            points = [point(i, vectors[i]) for i in range(start, start + SLICE)]
            write(first, wire.Stage("ours", "", points))
        write(first, wire.Publish("ours", "", "doc", 1, SEEN))
        first.flush()
        assert first.describe().unindexed == POINTS
    program = [sys.executable, "-P", "-m", "carrel.vectors.edge.optimise"]
    paths = [str(tmp_path / "first"), str(tmp_path / "second")]
    subprocess.run(
        [*program, *paths, str(os.getpid()), str(DIMENSIONS), request.param],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with closing(Shard(tmp_path / "second", layout)) as second:
        yield second


def point(ordinal: int, vector: npt.NDArray[np.float32]) -> wire.Point:
    payload = {schema.DOCUMENT: "doc", schema.VERSION: 1}
    return wire.Point(
        f"00000000-0000-8000-8000-{ordinal:012}", payload, vector.tobytes(), [1], [1.0]
    )


def write(shard: Shard, request: wire.Write) -> None:
    for _ in shard.write(request):
        pass


def nearest(shard: Shard, query: npt.NDArray[np.float32], *, exact: bool) -> list[int]:
    request = wire.Search("ours", "", SEEN, query.tobytes(), [], [], LIMIT, [], exact)
    return [int(point_id[-12:]) for point_id, _ in shard.search(request).dense]


def test_a_graph_finds_most_and_an_exact_search_all(
    shard: Shard, vectors: npt.NDArray[np.float32]
) -> None:
    assert shard.describe().unindexed == 0
    queries = np.random.default_rng(4).normal(size=(8, DIMENSIONS)).astype(np.float32)
    recalls: list[float] = []
    for query in queries:
        true = np.argsort(-(vectors @ query))[:LIMIT].tolist()
        assert nearest(shard, query, exact=True) == true
        recalls.append(len({*true} & {*nearest(shard, query, exact=False)}) / LIMIT)
    # That it misses some shows that there is a graph; in real text neighbours are easier to find.
    assert 0.5 < sum(recalls) / len(recalls) < 1
