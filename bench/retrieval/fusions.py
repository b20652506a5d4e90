"""nDCG@10 by fusion: each list alone, reciprocal ranks, and the convex combination by its share."""

from collections.abc import Hashable, Sequence
from pathlib import Path

from bench.retrieval.corpus import CANDIDATES, Corpus, index, vector_store
from bench.retrieval.datasets import Span, load_chunkeval, load_xquad
from bench.retrieval.quality import chunks_found, documents_found

from carrel.domain.ids import ChunkId
from carrel.retrieval.fusion import Fusion, fuse, fusion_for
from carrel.vectors.store import Hits

ALPHAS = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 1.0)
_RRF = 60  # Cormack, Clarke and Büttcher, 2009


async def measure(data: Path) -> dict[str, float]:
    """By name of the fusion and of the data set, with the default embedder."""
    english, chunkeval = load_xquad(data), load_chunkeval(data)
    figures: dict[str, float] = {}
    async with vector_store() as store:
        paragraphs = await index(store, "xquad", english.documents)
        corpora = await index(store, "chunkeval", chunkeval.documents)
        for name in ("rrf", *map(str, ALPHAS)):
            figures[f"{name} xquad-en nDCG@10"] = await documents_found(
                english, _search(paragraphs, name, spans=False)
            )
            figures[f"{name} chunkeval nDCG@10"] = await chunks_found(
                chunkeval, _search(corpora, name, spans=True), corpora.spans
            )
    return figures


def used() -> float:
    """The share that the product takes for the default embedder."""
    return fusion_for("static:").alpha


def _search(corpus: Corpus, name: str, *, spans: bool):
    async def search(question: str) -> Sequence[Hashable]:
        dense = await corpus.embedder.embed_query(question)
        hits = await corpus.vectors.search(
            dense, corpus.bm25.embed_query(question), limit=CANDIDATES
        )
        best = _ranked(hits, name)[:50]
        chunks = await corpus.vectors.fetch(best)
        found = [chunks[each] for each in best]
        if not spans:
            return [each.document_id for each in found]
        return [Span(each.document_id, each.chunk.start, each.chunk.end) for each in found]

    return search


def _ranked(hits: Hits, name: str) -> list[ChunkId]:
    if name != "rrf":
        return [hit.chunk_id for hit in fuse(hits, Fusion(float(name)))]
    scores: dict[ChunkId, float] = {}
    for found in (hits.dense, hits.sparse):
        for rank, hit in enumerate(found, 1):
            scores[hit.chunk_id] = scores.get(hit.chunk_id, 0.0) + 1 / (_RRF + rank)
    return sorted(scores, key=lambda each: (-scores[each], each))
