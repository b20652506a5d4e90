"""Fusion: one ranking out of the dense and the sparse list of a search.

The score is `(1 - alpha)·dense + alpha·bm25 / max(bm25)`, a convex combination (Bruch,
Gai and Ingber, 2023, https://arxiv.org/abs/2210.11934), where `dense` is the cosine, or
`(cosine / max(cosine)) ** sharpness`. It keeps the distances that a fusion of ranks
throws away. Equal hits give equal rankings.
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


class Fusion(NamedTuple):
    """How an embedder's cosines are weighed against BM25.

    `alpha` is the share of BM25. Without `sharpness` cosines count as they are; with it,
    by their ratio to the best of the list, to that power: the cosines of transformers lie
    close together, and a small gap between them means much.
    """

    alpha: float
    sharpness: float | None = None


# Measured on XQuAD and chunkeval (docs/decisions/0011): static, and MiniLM for all the others.
_STATIC = Fusion(0.7)
_OTHERS = Fusion(0.7, sharpness=2.0)


_TINY = 1e-9  # stands for the highest score where there is none


def fusion_for(identity: str) -> Fusion:
    """What suits the embedder named *identity*; for one that was not measured, a good guess."""
    return _STATIC if identity.startswith("static:") else _OTHERS


def fuse(hits: Hits, fusion: Fusion) -> list[FusedHit]:
    """Every chunk of either list, best first; of equals, a document's earlier chunk first.

    Ties are common, since documents repeat themselves, and ids sort in a text's order.

    A chunk missing from the dense list counts with that list's lowest cosine
    (it can be no nearer), one missing from the sparse list with 0.
    """
    cosines = {hit.chunk_id: hit.score for hit in hits.dense}
    bm25s = {hit.chunk_id: hit.score for hit in hits.sparse}
    dense = _weighed(cosines, fusion)
    unlisted = min(dense.values(), default=0.0)
    per_bm25 = fusion.alpha / max(max(bm25s.values(), default=0.0), _TINY)
    scores = dense | {
        chunk: dense.get(chunk, unlisted) + per_bm25 * max(bm25, 0.0)
        for chunk, bm25 in bm25s.items()
    }
    ranked = sorted(scores)
    ranked.sort(key=scores.__getitem__, reverse=True)  # which leaves equal ones as they are
    return [
        FusedHit(chunk, scores[chunk], cosines.get(chunk), bm25s.get(chunk)) for chunk in ranked
    ]


def _weighed(cosines: dict[ChunkId, float], fusion: Fusion) -> dict[ChunkId, float]:
    share, power = 1 - fusion.alpha, fusion.sharpness
    if power is None:
        return {chunk: share * _clip(cosine) for chunk, cosine in cosines.items()}
    best = max(_clip(max(cosines.values(), default=0.0)), _TINY)
    return {chunk: share * (_clip(cosine) / best) ** power for chunk, cosine in cosines.items()}


def _clip(cosine: float) -> float:
    return min(max(cosine, 0.0), 1.0)
