"""The collection that all tenants share on a Qdrant server: made, checked and opened here.

Nothing is read or written before server and collection were checked: a server
too old to refuse an overwrite, or vectors of another size, would be found out
by wrong results only.
"""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

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

from carrel.domain.errors import CarrelError
from carrel.vectors import schema
from carrel.vectors.server.failures import translated

# Older servers ignore the condition of an upsert, without a word.
CONDITIONAL_UPSERTS = (1, 16)
# Older servers ignore the corpus of an IDF, without a word.
TENANT_IDF = (1, 19)

HNSW_M = 0
HNSW_PAYLOAD_M = 16

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


class IncompatibleServer(CarrelError):
    """The server, or the collection on it, can't be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the collection is called, and how it is made; an existing one keeps its shards.

    IDF is computed within a shard: with several, a tenant's keyword scores are still its own,
    but each shard's are relative to the tenant's chunks that it holds.
    """

    name: str
    dimensions: int
    shard_number: int
    replication_factor: int
    write_consistency_factor: int


class SharedCollection:
    """The shared collection; `reading` and `writing` check it when it is first used."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        layout: Layout,
        *,
        read_timeout_seconds: float,
        write_timeout_seconds: float,
    ) -> None:
        self.layout = layout
        self._client = client
        self._read_timeout_seconds = read_timeout_seconds
        self._write_timeout_seconds = write_timeout_seconds
        self._turn = asyncio.Lock()
        self._ready = False
        self.version: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        return self.layout.name

    @property
    def tenant_idf(self) -> bool:
        """Whether the server computes IDF over one tenant alone; False until it was asked."""
        return self.version is not None and self.version >= TENANT_IDF

    @property
    def read_timeout(self) -> int:
        """What the server is told: whole seconds, so that it doesn't work on in vain."""
        return math.ceil(self._read_timeout_seconds)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncQdrantClient]:
        await self._prepare(self._read_timeout_seconds)
        async with translated(self._read_timeout_seconds):
            yield self._client

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[AsyncQdrantClient]:
        await self._prepare(self._write_timeout_seconds)
        async with translated(self._write_timeout_seconds):
            yield self._client

    @asynccontextmanager
    async def looking(self) -> AsyncGenerator[AsyncQdrantClient]:
        """For those who look at the server without making or using the collection."""
        async with translated(self._read_timeout_seconds):
            yield self._client

    async def prepare(self) -> None:
        """Check the server, and make the collection or check that it fits. Once: then it's free.

        Raises:
            IncompatibleServer: too old a server, or other vectors in the collection.
            Unavailable: the server does not answer.
        """
        await self._prepare(self._write_timeout_seconds)

    async def _prepare(self, timeout_seconds: float) -> None:
        if self._ready:
            return
        # One at a time; the wait for the others counts, or a queue would outlast its callers.
        async with translated(timeout_seconds), self._turn:
            if not self._ready:
                self.version = await self._supported_version()
                if not await self._client.collection_exists(self.name):
                    await self._create()
                info = await self._client.get_collection(self.name)
                check_vectors(info, self.layout)
                await self._add_indexes(info)
                self._ready = True

    async def _supported_version(self) -> tuple[int, int]:
        version = await server_version(self._client)
        if version < CONDITIONAL_UPSERTS:
            raise IncompatibleServer(
                f"Qdrant {_dotted(version)} ignores conditional upserts, so one tenant could "
                f"overwrite another's points: use {_dotted(CONDITIONAL_UPSERTS)} or later, "
                f"{_dotted(TENANT_IDF)} for keyword search"
            )
        return version

    async def _create(self) -> None:
        try:
            await self._client.create_collection(
                self.name,
                vectors_config={
                    schema.DENSE: VectorParams(
                        size=self.layout.dimensions, distance=Distance.COSINE
                    )
                },
                sparse_vectors_config={schema.SPARSE: SparseVectorParams(modifier=Modifier.IDF)},
                hnsw_config=HnswConfigDiff(m=HNSW_M, payload_m=HNSW_PAYLOAD_M),
                shard_number=self.layout.shard_number,
                replication_factor=self.layout.replication_factor,
                write_consistency_factor=self.layout.write_consistency_factor,
                strict_mode_config=STRICT_MODE,
            )
        except Exception:
            # Another process may have been first; the errors for that differ between versions.
            if not await self._client.collection_exists(self.name):
                raise

    async def _add_indexes(self, info: CollectionInfo) -> None:
        for field, index in INDEXES.items():
            if field not in info.payload_schema:
                await self._client.create_payload_index(self.name, field, index, wait=True)


async def server_version(client: AsyncQdrantClient) -> tuple[int, int]:
    """Major and minor version. A cluster is as new as its oldest node, which may be another."""
    major, minor, *_ = (await client.info()).version.split(".")
    return int(major), int(minor)


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


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
