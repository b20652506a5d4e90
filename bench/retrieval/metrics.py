"""nDCG@10 with binary relevance (Järvelin and Kekäläinen, 2002), and what counts as relevant.

A ranking that holds every relevant item first scores 1; nothing scores more.
"""

import math
from collections.abc import Collection, Hashable, Sequence

from bench.retrieval.datasets import Question, Span


def ndcg(ranked: Sequence[Hashable], relevant: Collection[Hashable], *, k: int = 10) -> float:
    """nDCG@k of one ranking; 0 where nothing is relevant. A repeated item counts once."""
    distinct = list(dict.fromkeys(ranked))[:k]
    gain = sum(1 / math.log2(rank + 2) for rank, item in enumerate(distinct) if item in relevant)
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(relevant))))
    return gain / ideal if ideal else 0.0


def covers(chunk: Span, reference: Span) -> bool:
    """Whether *chunk* holds at least half of *reference*."""
    if chunk.document != reference.document:
        return False
    shared = min(chunk.end, reference.end) - max(chunk.start, reference.start)
    return 2 * shared >= reference.end - reference.start


def relevant_documents(question: Question) -> set[str]:
    """Documents that hold evidence."""
    return {span.document for span in question.evidence}


def relevant_chunks(question: Question, chunks: Collection[Span]) -> set[Span]:
    """Those of all indexed *chunks* that cover at least half of a reference span."""
    return {chunk for chunk in chunks if any(covers(chunk, span) for span in question.evidence)}
