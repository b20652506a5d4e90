"""What a semantic cache would serve: all cached questions of a tenant in a real index, then asked.

Four ways to decide, each stricter than the one before: by similarity alone, with guards, with
evidence relaxed (every cited chunk is still retrieved), with evidence strict (the very same
chunks are). Of the candidates that the index gives, the first that passes is served.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.caching.pairs import Pair
from bench.caching.stand import Answered, Stand

from carrel.caching.guards.agreement import disagreement
from carrel.caching.semantic import Candidate, SemanticIndex

WAYS = (
    "similarity",
    "+ guards",
    "+ guards + relaxed",
    "+ guards + strict",
    "similarity + strict",
)
LOWEST = 0.3


@dataclass(frozen=True, slots=True)
class Case:
    """One question put to the index: what it found, unguarded, and what evidence says of each."""

    pair: Pair
    found: tuple[Candidate, ...]
    agree: tuple[bool, ...]
    relaxed: tuple[bool, ...]
    strict: tuple[bool, ...]

    def served(self, way: str, threshold: float) -> str | None:
        """The cached question whose answer would be served."""
        for n, candidate in enumerate(self.found):
            if candidate.similarity < threshold:
                return None
            if (
                ("guards" not in way or self.agree[n])
                and ("relaxed" not in way or self.relaxed[n])
                and ("strict" not in way or self.strict[n])
            ):
                return candidate.question
        return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of so many questions: how many were served, and how many of those wrongly."""

    same: int
    other: int
    right: int
    wrong: int

    @property
    def false_share(self) -> float:
        """Of what was served."""
        return self.wrong / max(self.right + self.wrong, 1)

    @property
    def share_of_same(self) -> float:
        """Of the true paraphrases, those served with the right answer."""
        return self.right / max(self.same, 1)


async def cases(stand: Stand, chosen: Sequence[Pair]) -> list[Case]:
    """Every question of *chosen*, put to an index that holds all their cached ones."""
    index = SemanticIndex(stand.homes, {stand.embedder.identity: LOWEST}, slots=1_000_000)
    for name, tenant in stand.tenants.items():
        ours = [pair for pair in chosen if pair.tenant == name]
        await stand.answers(name, [q for pair in ours for q in (pair.cached, pair.asked)])
        for cached in dict.fromkeys(pair.cached for pair in ours):
            if (await stand.answer(name, cached)).found:  # a refusal is no answer to keep
                await index.remember(tenant.id, cached, await stand.asked(cached))
    made = [await _case(stand, index, pair) for pair in chosen]
    for tenant in stand.tenants.values():
        await index.erase(tenant.id)
    return made


async def _case(stand: Stand, index: SemanticIndex, pair: Pair) -> Case:
    tenant = stand.tenants[pair.tenant]
    new = await stand.answer(pair.tenant, pair.asked)
    found: list[Candidate] = []
    if new.found:  # where nothing is relevant, the product says so before it looks for answers
        # As `nearest`, but without the guards, which are put on and taken off here.
        found = await index._near(tenant.id, await stand.asked(pair.asked), 5)
    old = [await stand.answer(pair.tenant, each.question) for each in found]
    return Case(
        pair=pair,
        found=tuple(found),
        agree=tuple(disagreement(each.question, pair.asked) is None for each in found),
        relaxed=tuple(is_relaxed(each, new) for each in old),
        strict=tuple(each.evidence == new.evidence for each in old),
    )


def is_relaxed(cached: Answered, asked: Answered) -> bool:
    """Whether all that the cached answer cites is retrieved for the new question."""
    return bool(cached.cited) and cached.cited <= asked.evidence


def outcome(made: Sequence[Case], way: str, threshold: float) -> Outcome:
    """What comes of *made*. An answer to any but the pair's own cached question is a wrong one."""
    served = [(case, case.served(way, threshold)) for case in made]
    right = sum(case.pair.same and said == case.pair.cached for case, said in served)
    wrong = sum(
        said is not None and not (case.pair.same and said == case.pair.cached)
        for case, said in served
    )
    same = sum(case.pair.same for case in made)
    return Outcome(same, len(made) - same, right, wrong)


def crossed(chosen: Sequence[Pair]) -> tuple[int, list[tuple[str, str]]]:
    """All questions of a tenant against all others that want another answer, by guards alone.

    How many pairs there are, and those that the guards let through.
    """
    wanted: dict[str, dict[str, str]] = {}
    for pair in chosen:
        ours = wanted.setdefault(pair.tenant, {})
        ours[pair.cached] = pair.cached
        ours[pair.asked] = pair.cached if pair.same else pair.asked
    others = [
        (one, other)
        for ours in wanted.values()
        for one, other in combinations(sorted(ours), 2)
        if ours[one] != ours[other]
    ]
    return len(others), [pair for pair in others if disagreement(*pair) is None]
