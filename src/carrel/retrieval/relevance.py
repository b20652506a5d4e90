"""Whether retrieved passages can answer a question at all, without asking a model.

Every search returns its nearest passages, however far they are. The decision
rests on measures that mean the same in every corpus, large or small: never on
ranks, IDF or fused scores, which are relative to what else a tenant stores.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from carrel.domain.document import Passage
from carrel.embedding.sparse import Bm25Encoder

_CONSIDERED = 8
_WORD = re.compile(r"\w+(?:['’]\w+)*")
# A name or a number says more about what is asked than other words of its length.
_NAME_BONUS = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """How well the best passages match a question.

    `cosine` is the nearest passage's. `coverage` is the weight of the question's
    stems that one passage holds, as a share; `named` the same share of its names
    and numbers alone (0.6 when it has none); `shared` counts those stems.
    """

    cosine: float
    coverage: float
    named: float
    shared: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic regression's weights; relevant from a log-odds of `least` on."""

    cosine: float
    coverage: float
    named: float
    shared: float
    least: float

    def accepts(self, evidence: Evidence) -> bool:
        """Whether *evidence* is enough."""
        log_odds = (
            self.cosine * evidence.cosine
            + self.coverage * evidence.coverage
            + self.named * evidence.named
            + self.shared * math.log1p(evidence.shared)
        )
        return log_odds >= self.least


# Fitted as bench/retrieval/refusal.py does, on XQuAD (English, German) and chunkeval: questions
# asked of their own corpus against questions asked of another, in corpora of 5 to 2,900 chunks.
# `least` is set so that of no set more than 5% is wrongly refused. It refuses 84 to 99% of
# English questions asked of the wrong corpus, and 48 to 70% of German ones, whose cosines
# are all high. Cosines belong to an embedder; where none were measured, only questions
# that share next to nothing with their passages are refused.
_MEASURED = {
    "static": Calibration(cosine=10.5, coverage=7.2, named=2.1, shared=1.4, least=9.75),
}
_UNMEASURED = Calibration(cosine=0.0, coverage=8.2, named=1.6, shared=2.7, least=5.4)


def is_relevant(
    question: str, passages: Sequence[Passage], bm25: Bm25Encoder, *, identity: str
) -> bool:
    """Whether some of *passages*, best first, seem to answer *question*.

    *identity* is that of the embedder which gave them their cosines.
    """
    if not passages:
        return False
    calibration = _MEASURED.get(identity.partition(":")[0], _UNMEASURED)
    return calibration.accepts(evidence(question, passages, bm25))


def evidence(question: str, passages: Sequence[Passage], bm25: Bm25Encoder) -> Evidence:
    """The measures that `is_relevant` decides on."""
    weights, names = _weigh(question, bm25)
    total = sum(weights.values())
    considered = [
        bm25.terms(f"{passage.title}\n{passage.heading}\n{passage.text}")
        for passage in passages[:_CONSIDERED]
    ]
    return Evidence(
        cosine=max((p.cosine for p in passages[:_CONSIDERED] if p.cosine is not None), default=0.0),
        coverage=max(
            (sum(weights[stem] for stem in weights.keys() & stems) for stems in considered),
            default=0.0,
        )
        / (total or 1.0),
        named=max((len(names & stems) for stems in considered), default=0) / len(names)
        if names
        else 0.6,
        shared=max((len(weights.keys() & stems) for stems in considered), default=0),
    )


def _weigh(question: str, bm25: Bm25Encoder) -> tuple[dict[int, int], set[int]]:
    """The question's stems with their weights, and those of names and numbers among them."""
    weights: dict[int, int] = {}
    names: set[int] = set()
    for position, word in enumerate(_WORD.findall(question)):
        stems = bm25.terms(word)
        # The first word is a capital's by grammar, not by being a name.
        named = (position > 0 and word[0].isupper()) or any(c.isdigit() for c in word)
        for stem in stems:
            weights[stem] = len(word) + _NAME_BONUS * named
        if named:
            names |= stems
    return weights, names
