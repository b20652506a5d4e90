"""Fusion: one ranking out of the dense and the sparse list of a search.

The score is `(1 - alpha)·clip(cosine, 0, 1) + alpha·bm25 / max(bm25)`, a convex
combination (Bruch, Gai and Ingber, 2023, https://arxiv.org/abs/2210.11934). It
keeps the distances that a fusion of ranks throws away. Equal hits give equal
rankings.
"""

from dataclasses import dataclass

from carrel.domain.ids import ChunkId
from carrel.vectors.store import Hits


@dataclass(frozen=True, slots=True)
class FusedHit:
    """A chunk with its fused score in [0, 1], and what each list gave it (None: not listed)."""

    chunk_id: ChunkId
    score: float
    cosine: float | None
    bm25: float | None


# The share of BM25, by the kind that an embedder's identity starts with. A
# stronger embedder deserves more of the score (bench/retrieval).
_ALPHA = {"static": 0.7, "onnx": 0.3, "http": 0.3}


def alpha_for(identity: str) -> float:
    """The share of BM25 that suits the embedder named *identity*."""
    return _ALPHA.get(identity.partition(":")[0], 0.5)


def fuse(hits: Hits, *, alpha: float) -> list[FusedHit]:
    """Every chunk of either list, best first; of equals, a document's earlier chunk first.

    Ties are common, since documents repeat themselves, and ids sort in a text's order.

    A chunk missing from the dense list counts with that list's lowest cosine
    (it can be no nearer), one missing from the sparse list with 0.
    """
    cosines = {hit.chunk_id: hit.score for hit in hits.dense}
    bm25s = {hit.chunk_id: hit.score for hit in hits.sparse}
    lowest = min(cosines.values(), default=0.0)
    highest = max(bm25s.values(), default=0.0)

    def fused(chunk: ChunkId) -> float:
        near = min(max(cosines.get(chunk, lowest), 0.0), 1.0)
        matching = max(bm25s.get(chunk, 0.0), 0.0) / highest if highest > 0 else 0.0
        return (1 - alpha) * near + alpha * matching

    ranked = [
        FusedHit(chunk, fused(chunk), cosines.get(chunk), bm25s.get(chunk))
        for chunk in cosines.keys() | bm25s.keys()
    ]
    ranked.sort(key=lambda each: (-each.score, each.chunk_id))
    return ranked
