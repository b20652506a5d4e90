"""How collections are laid out on a Qdrant server, and whether one that is there fits.

The shared collection has a graph for each large tenant and none over all. A tenant's own
has one graph over all; a second one over its only tenant would hold the same points.
"""

from dataclasses import dataclass, replace

from qdrant_client import AsyncQdrantClient
from qdrant_client.models import (
    CollectionInfo,
    Distance,
    HnswConfigDiff,
    IntegerIndexParams,
    IntegerIndexType,
    KeywordIndexParams,
    KeywordIndexType,
    Modifier,
    SparseVectorParams,
    StrictModeConfig,
    VectorParams,
)

from carrel.vectors import schema
from carrel.vectors.server.connection import IncompatibleServer

# As in the embedded engine: without enable_hnsw=False frequent values get graphs of their own.
_KEYWORD = KeywordIndexParams(type=KeywordIndexType.KEYWORD, enable_hnsw=False)
INDEXES: dict[str, KeywordIndexParams | IntegerIndexParams] = {
    schema.TENANT: KeywordIndexParams(type=KeywordIndexType.KEYWORD, is_tenant=True),
    schema.VISIBLE_TO: _KEYWORD,
    schema.DOCUMENT: _KEYWORD,
    schema.FACTS: _KEYWORD,
    schema.VERSION: IntegerIndexParams(
        type=IntegerIndexType.INTEGER, lookup=True, range=True, enable_hnsw=False
    ),
}

# No update may filter on a field without an index: ours never do, so one that does is a mistake.
# Reads may: a range over metadata is on a field that only the tenant knows, and is evaluated on
# the points that the tenant's index leaves.
STRICT_MODE = StrictModeConfig(
    enabled=True,
    unindexed_filtering_update=False,
    unindexed_filtering_retrieve=True,
    max_query_limit=10_000,
    upsert_max_batchsize=1_000,
)


@dataclass(frozen=True, slots=True)
class Layout:
    """What a collection is called, and how it is made; an existing one keeps its shards.

    IDF is computed within a shard: with several, a tenant's keyword scores are still its own,
    but each shard's are relative to the tenant's chunks that it holds.
    """

    name: str
    dimensions: int
    shard_number: int
    replication_factor: int
    write_consistency_factor: int
    hnsw_m: int = 0
    hnsw_payload_m: int = 16

    def of_one_tenant(self, name: str) -> "Layout":
        """The same for a collection that holds the points of one tenant alone."""
        return replace(self, name=name, hnsw_m=16, hnsw_payload_m=0)


async def create(client: AsyncQdrantClient, layout: Layout) -> None:
    """Make the collection; no error where another process was first."""
    try:
        await client.create_collection(
            layout.name,
            vectors_config={
                schema.DENSE: VectorParams(size=layout.dimensions, distance=Distance.COSINE)
            },
            sparse_vectors_config={schema.SPARSE: SparseVectorParams(modifier=Modifier.IDF)},
            hnsw_config=HnswConfigDiff(m=layout.hnsw_m, payload_m=layout.hnsw_payload_m),
            shard_number=layout.shard_number,
            replication_factor=layout.replication_factor,
            write_consistency_factor=layout.write_consistency_factor,
            strict_mode_config=STRICT_MODE,
        )
    except Exception:
        # The errors for one that is already there differ between versions.
        if not await client.collection_exists(layout.name):
            raise


async def add_indexes(client: AsyncQdrantClient, layout: Layout, info: CollectionInfo) -> None:
    """Make the payload indexes that *info* of the collection lacks."""
    for field, index in INDEXES.items():
        if field not in info.payload_schema:
            await client.create_payload_index(layout.name, field, index, wait=True)


def check_vectors(info: CollectionInfo, layout: Layout) -> None:
    """Raises `IncompatibleServer` where the collection holds vectors of another kind."""
    vectors = info.config.params.vectors
    dense = vectors.get(schema.DENSE) if isinstance(vectors, dict) else None
    sparse = (info.config.params.sparse_vectors or {}).get(schema.SPARSE)
    if dense is None or sparse is None or sparse.modifier != Modifier.IDF:
        raise IncompatibleServer(
            f"the collection {layout.name!r} on the Qdrant server was not made by Carrel: "
            "name another one"
        )
    if dense.size != layout.dimensions or dense.distance != Distance.COSINE:
        raise IncompatibleServer(
            f"the collection {layout.name!r} holds vectors of {dense.size} dimensions "
            f"({dense.distance.value}), and the embedder makes {layout.dimensions} (Cosine): use "
            "the embedder they were made with, or name another collection"
        )
