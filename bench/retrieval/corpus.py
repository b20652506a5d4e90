"""Documents indexed as the product indexes them, in an engine of their own.

Each corpus is a tenant. What is searched is what a server would search: the
product's chunks, embedder, BM25, engine and fusion.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.retrieval.datasets import Span

from carrel.domain.document import Chunk, ParsedDocument, Passage
from carrel.domain.ids import DocumentId, TenantId
from carrel.embedding.chunk_text import embedded_text
from carrel.embedding.embedder import DEFAULT_DIMENSIONS, Embedder
from carrel.embedding.keywords import Keywords, document_language
from carrel.embedding.sparse import Bm25Encoder
from carrel.embedding.static import StaticEmbedder
from carrel.ingestion.chunk import chunk
from carrel.retrieval.fusion import FusedHit, fuse, fusion_for
from carrel.vectors.edge.process import EngineProcess
from carrel.vectors.edge.store import EdgeVectorStore
from carrel.vectors.store import Point, StoredChunk, TenantVectors

CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class Corpus:
    """An indexed corpus: its chunks' spans, and a way to search it."""

    spans: frozenset[Span]
    vectors: TenantVectors
    embedder: Embedder
    bm25: Bm25Encoder
    keywords: Keywords | None = None  # None: every text is in the language of `bm25`

    async def passages(self, question: str, limit: int = 10) -> list[Passage]:
        """The best *limit* passages, best first."""
        dense = await self.embedder.embed_query(question)
        sparse = (self.keywords or self.bm25).embed_query(question)
        hits = await self.vectors.search(dense, sparse, limit=CANDIDATES)
        best = fuse(hits, fusion_for(self.embedder.identity))[:limit]
        chunks = await self.vectors.fetch([fused.chunk_id for fused in best])
        return [_passage(fused, chunks[fused.chunk_id]) for fused in best]

    async def search(self, question: str) -> list[Span]:
        """The spans of the best ten chunks, best first."""
        return [
            Span(passage.document_id, passage.start, passage.end)
            for passage in await self.passages(question)
        ]

    async def search_documents(self, question: str) -> list[str]:
        """The documents of the best chunks, best first."""
        return [passage.document_id for passage in await self.passages(question, CANDIDATES)]


def as_cut(text: str) -> list[Chunk]:
    """The chunks that the product makes of *text*."""
    return chunk(ParsedDocument(text))


def as_embedded(piece: Chunk) -> str:
    """What the product embeds of a chunk whose document has no title."""
    return embedded_text("", piece)


@asynccontextmanager
async def vector_store(dimensions: int = DEFAULT_DIMENSIONS) -> AsyncIterator[EdgeVectorStore]:
    """An engine on an empty folder, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="carrel-bench-") as name:
        folder = Path(name)
        process = EngineProcess(folder, dimensions)
        await process.start()
        await process.wait_ready()
        store = EdgeVectorStore(folder)
        try:
            yield store
        finally:
            await store.close()
            await process.stop()


async def index(
    store: EdgeVectorStore,
    tenant: str,
    documents: Mapping[str, str],
    *,
    language: str | None = "english",
    embedder: Embedder | None = None,
    cut: Callable[[str], list[Chunk]] = as_cut,
    embedded: Callable[[Chunk], str] = as_embedded,
) -> Corpus:
    """*documents*, by id, as the corpus of *tenant*. Titles are left out: they would give hints.

    No *language*: each text is in its own, as in the product. What is *embedded* of a chunk, and
    how texts are *cut*, is the product's way.
    """
    embedder, bm25 = embedder or StaticEmbedder(), Bm25Encoder(language or "english")
    keywords = None if language else Keywords()
    vectors = store.tenant(TenantId(tenant))
    spans: set[Span] = set()
    for name, text in documents.items():
        chunks = cut(text)
        spans |= {Span(name, piece.start, piece.end) for piece in chunks}
        texts = [embedded(piece) for piece in chunks]
        dense = await embedder.embed_documents(texts)
        sparse = await asyncio.to_thread(
            lambda texts=texts, chunks=chunks: (
                keywords.embed_documents(texts, document_language([piece.text for piece in chunks]))
                if keywords
                else bm25.embed_documents(texts)
            )
        )
        await vectors.stage(
            [
                _point(name, piece, dense[number], sparse[number])
                for number, piece in enumerate(chunks)
            ]
        )
        await vectors.publish(DocumentId(name), 1)
    return Corpus(frozenset(spans), vectors, embedder, bm25, keywords)


def _point(name: str, piece: Chunk, dense, sparse) -> Point:
    return Point(DocumentId(name), 1, piece, "", dense, sparse, {})


def _passage(fused: FusedHit, hit: StoredChunk) -> Passage:
    return Passage(
        chunk_id=hit.chunk_id,
        document_id=hit.document_id,
        version=hit.version,
        title="",
        text=hit.chunk.text,
        start=hit.chunk.start,
        end=hit.chunk.end,
        heading=hit.chunk.heading,
        page=None,
        content_hash="",
        score=fused.score,
        cosine=fused.cosine,
        bm25=fused.bm25,
    )
