"""What a shard is made of: its vectors, its indexes, and the points that its graphs are over.

In the shard of all tenants each large tenant has a graph of its own, and there is none over
all of them; a collection of one tenant's own has one graph over everything.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeShard,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    FacetRequest,
    HnswIndexConfig,
    IntegerIndexParams,
    KeywordIndexParams,
    Modifier,
    UpdateOperation,
)

from carrel.vectors import schema

GRAPH_LINKS = 16
FULL_SCAN_KILOBYTES = 10_000  # 10,000 points of 256 dimensions: below, comparing all is as fast
MOST_TENANTS = 1_000_000  # more have no room in one shard


@dataclass(frozen=True, slots=True)
class ShardLayout:
    """How long the vectors are, and whether the shard is one tenant's own."""

    dimensions: int
    own: bool = False


def shard_config(layout: ShardLayout, full_scan_kilobytes: int = FULL_SCAN_KILOBYTES) -> EdgeConfig:
    """The library's configuration.

    Fewer kilobytes of vectors than *full_scan_kilobytes*, of a tenant or in all, have no graph.
    """
    vectors = EdgeVectorParams(size=layout.dimensions, distance=Distance.Cosine)
    return EdgeConfig(
        vectors={schema.DENSE: vectors},
        sparse_vectors={schema.SPARSE: EdgeSparseVectorParams(modifier=Modifier.Idf)},
        hnsw_config=HnswIndexConfig(
            m=GRAPH_LINKS if layout.own else 0,
            payload_m=0 if layout.own else GRAPH_LINKS,
            ef_construct=100,
            full_scan_threshold=full_scan_kilobytes,
            max_indexing_threads=2,
        ),
        max_search_threads=2,
    )


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


def create_shard(directory: Path, layout: ShardLayout) -> None:
    """Make an empty shard in *directory*, with its indexes."""
    for _ in creation(directory, layout):
        pass


def creation(directory: Path, layout: ShardLayout) -> Iterator[None]:
    """The same in steps: each syncs files, and takes 20 ms, or 200 on a busy disk."""
    edge = EdgeShard.create(str(directory), shard_config(layout))
    # Without enable_hnsw=False each frequent value of these fields gets a graph of its own, as if
    # it were a tenant: 60,000 points took 122 s to optimise, not 15.
    plain = KeywordIndexParams(enable_hnsw=False)
    for field, index in (
        (schema.TENANT, plain if layout.own else KeywordIndexParams(is_tenant=True)),
        (schema.VISIBLE_TO, plain),
        (schema.DOCUMENT, plain),
        (schema.FACTS, plain),
        (schema.VERSION, IntegerIndexParams(lookup=True, range=True, enable_hnsw=False)),
    ):
        yield
        edge.update(UpdateOperation.create_field_index(field, index))
    yield
    edge.flush()
    edge.close()


def tenant_sizes(edge: EdgeShard, limit: int = MOST_TENANTS) -> list[int]:
    """How many points each tenant has, staged ones included, largest first."""
    return [hit.count for hit in edge.facet(FacetRequest(schema.TENANT, limit=limit)).hits]
