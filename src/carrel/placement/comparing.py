"""Whether two homes of a tenant answer alike: the same searches, exact, in both.

Stored chunks are the questions, drawn evenly from all that is stored: a chunk's
own vectors must find what they find in the other home, with the same scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from carrel.vectors.schema import groups_of
from carrel.vectors.store import Hit, Hits, Point, StoredVersion, TenantVectors

QUESTIONS = 50
LIMIT = 20
# Engines of one kind differ in the last bits, where a sum is taken in another order.
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many searches were made in both homes, and how many came out differently.

    `by_words`: whether both homes search by words; if one can't, meaning alone was compared.
    """

    searches: int
    differed: int
    by_words: bool


def groups_in(stored: Sequence[StoredVersion]) -> list[str]:
    """Every group that some document is for."""
    audiences = (audience for each in stored for audience in each.audiences)
    return sorted({group for audience in audiences for group in groups_of(audience)})


async def compare(
    ours: TenantVectors, theirs: TenantVectors, questions: Sequence[Point]
) -> Comparison:
    """Ask both homes all *questions*."""
    pairs: list[tuple[Hits, Hits]] = []
    for point in questions:
        found = [
            await home.search(point.dense, point.sparse, limit=LIMIT, exact=True)
            for home in (ours, theirs)
        ]
        pairs.append((found[0], found[1]))
    by_words = all(any(each.sparse for each in side) for side in zip(*pairs, strict=True))
    differed = sum(
        not same(one.dense, other.dense) or (by_words and not same(one.sparse, other.sparse))
        for one, other in pairs
    )
    return Comparison(len(pairs), differed, by_words)


async def questions_from(source: TenantVectors, stored: Sequence[StoredVersion]) -> list[Point]:
    """Up to `QUESTIONS` chunks, spread over all that is *stored*."""
    total = sum(each.points for each in stored)
    step = max(1, total // QUESTIONS)
    chosen: list[Point] = []
    passed = 0
    for each in stored:
        first = -passed % step
        for ordinal in range(first, each.points, step):
            chosen += await source.read(each.document_id, each.version, range(ordinal, ordinal + 1))
        passed += each.points
    return chosen


def same(ours: Sequence[Hit], theirs: Sequence[Hit]) -> bool:
    """Whether two lists are the same, but for the order of equal scores.

    Which of several chunks with the score of the last comes in is chance, too.
    """
    if len(ours) != len(theirs):
        return False
    if any(
        abs(one.score - other.score) > _slack(one.score)
        for one, other in zip(ours, theirs, strict=True)
    ):
        return False
    if not ours:
        return True
    last = min(ours[-1].score, theirs[-1].score)
    last += _slack(last)
    return _above(ours, last) <= _ids(theirs) and _above(theirs, last) <= _ids(ours)


def _above(hits: Sequence[Hit], score: float) -> set[str]:
    return {hit.chunk_id for hit in hits if hit.score > score}


def _ids(hits: Sequence[Hit]) -> set[str]:
    return {hit.chunk_id for hit in hits}


def _slack(score: float) -> float:
    return TOLERANCE * max(1.0, abs(score))
