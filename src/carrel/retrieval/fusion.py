"""Fusion: one ranking out of the dense and the sparse list of a search.

The score is `(1 - alpha)·clip(cosine, 0, 1) + alpha·bm25 / max(bm25)`, a convex
combination (Bruch, Gai and Ingber, 2023, https://arxiv.org/abs/2210.11934). It
keeps the distances that a fusion of ranks throws away. Equal hits give equal
rankings.
"""

from typing import NamedTuple

from carrel.domain.ids import ChunkId
from carrel.vectors.store import Hits


class FusedHit(NamedTuple):  # made two hundred times for a question: cheaper than a dataclass
    """A chunk with its fused score in [0, 1], and what each list gave it (None: not listed)."""

    chunk_id: ChunkId
    score: float
    cosine: float | None
    bm25: float | None


# The share of BM25, by the start of an embedder's identity: the first that fits. A
# stronger embedder deserves more of the score, and most that one sets up are stronger than
# the default. Measured: static, and MiniLM (bench/retrieval).
_ALPHA = (("static:", 0.7), ("", 0.3))


_TINY = 1e-9  # stands for the highest BM25 score where there is none


def alpha_for(identity: str) -> float:
    """The share of BM25 that suits the embedder named *identity*."""
    return next(alpha for start, alpha in _ALPHA if identity.startswith(start))


def fuse(hits: Hits, *, alpha: float) -> list[FusedHit]:
    """Every chunk of either list, best first; of equals, a document's earlier chunk first.

    Ties are common, since documents repeat themselves, and ids sort in a text's order.

    A chunk missing from the dense list counts with that list's lowest cosine
    (it can be no nearer), one missing from the sparse list with 0.
    """
    cosines = {hit.chunk_id: hit.score for hit in hits.dense}
    bm25s = {hit.chunk_id: hit.score for hit in hits.sparse}
    unlisted = (1 - alpha) * _clip(min(cosines.values(), default=0.0))
    dense = {chunk: (1 - alpha) * _clip(cosine) for chunk, cosine in cosines.items()}
    per_bm25 = alpha / max(max(bm25s.values(), default=0.0), _TINY)
    scores = dense | {
        chunk: dense.get(chunk, unlisted) + per_bm25 * max(bm25, 0.0)
        for chunk, bm25 in bm25s.items()
    }
    ranked = sorted(scores.items(), key=lambda each: (-each[1], each[0]))
    return [FusedHit(chunk, score, cosines.get(chunk), bm25s.get(chunk)) for chunk, score in ranked]


def _clip(cosine: float) -> float:
    return min(max(cosine, 0.0), 1.0)
