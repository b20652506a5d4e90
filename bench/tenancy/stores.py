"""The shards of each layout: how they are made, and the filter of their searches.

`BY_TENANT` and `APART` are made by the product's own code. `PLAIN` differs from
them in two ways only: one graph over all points, and no index of tenants.
"""

from pathlib import Path

from bench.tenancy.plan import DIMENSIONS, Layout, Store
from qdrant_edge import (
    EdgeConfig,
    EdgeShard,
    Filter,
    HnswIndexConfig,
    IntegerIndexParams,
    KeywordIndexParams,
    UpdateOperation,
)

from carrel.vectors import schema
from carrel.vectors.edge import filters
from carrel.vectors.edge.layout import ShardLayout, create_shard, shard_config

SHARED = ShardLayout(DIMENSIONS)


def tenant_id(tenant: int) -> str:
    return f"t{tenant:05d}"


def paths(store: Store, folder: Path, tenants: int) -> list[Path]:
    """The shards of a store: one, or one for each tenant in their order."""
    root = folder / store.value
    if store is Store.APART:
        return [root / tenant_id(tenant) for tenant in range(tenants)]
    return [root]


def create(store: Store, path: Path) -> None:
    path.mkdir(parents=True)
    if store is not Store.PLAIN:
        create_shard(path, SHARED)
        return
    edge = EdgeShard.create(str(path), _plain())
    keyword = KeywordIndexParams(enable_hnsw=False)
    for field in (schema.VISIBLE_TO, schema.DOCUMENT, schema.FACTS):
        edge.update(UpdateOperation.create_field_index(field, keyword))
    version = IntegerIndexParams(lookup=True, range=True, enable_hnsw=False)
    edge.update(UpdateOperation.create_field_index(schema.VERSION, version))
    edge.flush()
    edge.close()


def load(store: Store, path: Path) -> EdgeShard:
    return EdgeShard.load(str(path), _plain() if store is Store.PLAIN else shard_config(SHARED))


def scope(layout: Layout, tenant: int) -> Filter | None:
    """The filter of the product's searches; none for the baseline, which isolates nobody."""
    if layout is Layout.NO_FILTER:
        return None
    return filters.visible(tenant_id(tenant), [schema.EVERYONE])


def _plain() -> EdgeConfig:
    config = shard_config(SHARED)
    hnsw = config.hnsw_config
    return EdgeConfig(
        vectors=config.vectors,
        sparse_vectors=config.sparse_vectors,
        hnsw_config=HnswIndexConfig(
            m=16,
            ef_construct=hnsw.ef_construct,
            full_scan_threshold=hnsw.full_scan_threshold,
            max_indexing_threads=hnsw.max_indexing_threads,
        ),
        max_search_threads=config.max_search_threads,
    )
