"""Which sentences of the passages answer a question best: pure, and without a model.

A sentence earns the question's stems that it holds, weighed by how much each says
and how few of the sentences hold it, and less for those that stand above or beside it.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from carrel.domain.document import Passage
from carrel.embedding.static import importance
from carrel.embedding.synonyms import Synonyms, says
from carrel.generation.candidates import Candidate, Pick, Stems, candidates, distinct
from carrel.generation.wording import (
    asks_for_several,
    has_parts,
    hint,
    is_open,
    speaks_to_reader,
    without_measure,
)

# Weights of a softmax over the sentences of eight passages, fitted to hold XQuAD's answer
# (English; fitted on either half of the questions, the other half comes out the same).
_MATCH, _PASSAGE, _HINT, _TOO_SHORT = 7.9, 8.1, 2.0, -1.2
# What a stem is worth to a sentence that does not hold it itself.
_IN_OTHER_WORDS, _COLUMN, _DIRECTLY_ABOVE, _HEADINGS, _BESIDE = 0.8, 0.7, 0.6, 0.4, 0.17
_DISTRUSTED = -4.0
_MEASURE = 1.0  # the importance of "long" in "how long"
_CUT_OFF, _CODE = -1.0, -3.0
# A sentence with no word but the question's own, or one, says nothing.
_ECHO = -6.0
# A heading or an FAQ's question that says this much of the question is answered below it.
_HEADED, _HEADED_FROM = 3.5, 0.75
# A second and a third sentence join when they score at most this much below the first.
# One sentence alone holds XQuAD's answer in 78%; with these margins it is 85%, in 7 words more.
_MARGINS = (1.0, 0.7)
# A list is the answer where what announces it says this much of the question.
_LIST_FROM, _LIST_FROM_IF_ASKED_FOR = 0.7, 0.45
_LONGEST_LIST = 12
# The other part of a question in two parts: how much of the question it must add.
_OTHER_PART, _OTHER_PART_MARGIN = 0.2, 4.0

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_POINTS_BACK = re.compile(
    r"(?:He|She|It|They|This|These|Those|That|His|Her|Its|Their|However|Er|Sie|Es|Dies|Diese[rsm]?)\b"
)


def select(
    question: str,
    passages: Sequence[Passage],
    terms: Callable[[str], Stems],
    synonyms: Callable[[Stems], Synonyms] = lambda stems: {},
) -> list[Pick]:
    """The sentences to quote, the best passage's first and in the order of its text.

    One to three, or a whole list where the question asks for what it lists. Empty only
    where no passage has a sentence. *terms* gives the stems of a text, *synonyms* what
    else stands for the stems of a question.
    """
    found = distinct(
        [
            each
            for index, passage in enumerate(passages)
            for each in candidates(index, passage, terms)
        ]
    )
    if not found:
        return []
    asked = _Asked(question, found, terms, synonyms)
    standing = [_standing(passage) for passage in passages]
    scores = [asked.score(each, standing[each.pick.passage]) for each in found]
    order = _best(found, scores)
    if not order:
        return []
    if whole := _whole_list(question, asked, found, scores):
        return [each.pick for each in whole]
    chosen = [
        at
        for at, margin in zip(order, (0.0, *_MARGINS), strict=False)
        if scores[at] >= scores[order[0]] - margin
    ]
    if has_parts(question) and (other := _other_part(asked, found, scores, chosen)) is not None:
        chosen = [*chosen[:2], other]
    return _in_reading_order([found[at] for at in chosen])


def _standing(passage: Passage) -> float:
    """What a passage's sentences gain by its rank, and lose where it gives orders to readers."""
    return _PASSAGE * passage.score + _DISTRUSTED * speaks_to_reader(passage.text)


def _best(found: Sequence[Candidate], scores: Sequence[float]) -> list[int]:
    """The best few, best first, without those that give orders to whoever reads them."""
    best = sorted(range(len(found)), key=lambda at: -scores[at])
    few: list[int] = []
    for at in best:
        if len(few) <= len(_MARGINS) and not speaks_to_reader(found[at].pick.text):
            few.append(at)
    return few


class _Asked:
    """A question, as a measure for sentences."""

    def __init__(
        self,
        question: str,
        found: Sequence[Candidate],
        terms: Callable[[str], Stems],
        synonyms: Callable[[Stems], Synonyms],
    ) -> None:
        self.stems = terms(question)
        self._synonyms = synonyms(self.stems)
        self._hinted = hint(question, self.stems, terms)
        rarity = _rarity(self.stems, [each.stems for each in found])
        said = _importance(question, terms)
        weights = {stem: rarity[stem] * math.sqrt(said.get(stem, _MEASURE)) for stem in self.stems}
        whole = sum(weights.values()) or 1.0
        self.weights = {stem: weight / whole for stem, weight in weights.items()}

    def score(self, candidate: Candidate, standing: float) -> float:
        text, kind = candidate.pick.text, candidate.pick.sentence.kind
        score = _MATCH * sum(
            weight * self._credit(stem, candidate) for stem, weight in self.weights.items()
        )
        score += standing
        hinted = self._hinted(text)
        score += _HINT * hinted
        score += _ECHO * (
            not hinted and len((candidate.stems | candidate.columns) - self.stems) < 2
        )
        score += _HEADED * (self.share(candidate.above) >= _HEADED_FROM)
        score += _TOO_SHORT * (kind == "prose" and text.count(" ") < 5)
        return score + _CUT_OFF * candidate.cut_off + _CODE * (kind == "code")

    def share(self, stems: Stems) -> float:
        """How much of the question a text of these *stems* says, from 0 to 1."""
        return sum(
            weight for stem, weight in self.weights.items() if says(stems, stem, self._synonyms)
        )

    def missing(self, chosen: Sequence[Candidate]) -> Stems:
        """The question's stems that none of *chosen* holds, nor what stands above it."""
        held = frozenset[int]().union(
            *(each.stems | each.columns | each.above | each.headings for each in chosen)
        )
        return frozenset(stem for stem in self.stems if not says(held, stem, self._synonyms))

    def _credit(self, stem: int, candidate: Candidate) -> float:
        if stem in candidate.stems:
            return 1.0
        if stem in candidate.columns:
            return _COLUMN
        if stem in self._synonyms and says(candidate.stems, stem, self._synonyms):
            return _IN_OTHER_WORDS
        if stem in candidate.above:
            return _DIRECTLY_ABOVE
        if stem in candidate.headings:
            return _HEADINGS
        beside = (candidate.before, candidate.after)
        return _BESIDE * any(stem in other.stems for other in beside if other is not None)


def _rarity(asked: Stems, sentences: Sequence[Stems]) -> Mapping[int, float]:
    """BM25's IDF of each stem of the question, over the sentences at hand."""
    holding = Counter(stem for stems in sentences for stem in stems & asked)
    count = len(sentences)
    return {
        stem: math.log(1 + (count - holding[stem] + 0.5) / (holding[stem] + 0.5)) for stem in asked
    }


def _importance(question: str, terms: Callable[[str], Stems]) -> Mapping[int, float]:
    """What each stem of *question* says, whatever the passages."""
    return {
        stem: importance(word)
        for word in _WORD.findall(without_measure(question))
        for stem in terms(word)
    }


def _whole_list(
    question: str, asked: _Asked, found: Sequence[Candidate], scores: Sequence[float]
) -> list[Candidate]:
    """The list that answers *question* as a whole, with what leads in to it; else nothing."""
    if not is_open(question):
        return []
    least = _LIST_FROM_IF_ASKED_FOR if asks_for_several(question) else _LIST_FROM
    best: list[Candidate] = []
    lists: dict[tuple[int, int], list[int]] = {}
    for at, each in enumerate(found):
        if each.list is not None:
            lists.setdefault((each.pick.passage, each.list), []).append(at)
    top = max(scores)
    for members in lists.values():
        first = found[members[0]]
        share = asked.share(first.above)
        near = max(scores[at] for at in members) >= top - 2.0
        if 1 < len(members) <= _LONGEST_LIST and share >= least and near:
            least, best = share, [found[at] for at in members]
    if not best:
        return []
    lead = best[0].before
    leads_in = lead is not None and lead.pick.text.endswith(":") and lead.list is None
    kept = [each for each in best if not speaks_to_reader(each.pick.text)]
    return [lead, *kept] if leads_in and lead is not None else kept


def _other_part(
    asked: _Asked, found: Sequence[Candidate], scores: Sequence[float], chosen: Sequence[int]
) -> int | None:
    """The sentence that says most of what *chosen* leave out, where it is enough."""
    missing = asked.missing([found[at] for at in chosen])
    most, best = _OTHER_PART, None
    for at, each in enumerate(found):
        added = sum(asked.weights[stem] for stem in missing & each.stems)
        near = scores[at] >= scores[chosen[0]] - _OTHER_PART_MARGIN
        if added >= most and near and not speaks_to_reader(each.pick.text):
            most, best = added, at
    return best


def _in_reading_order(chosen: list[Candidate]) -> list[Pick]:
    if len(chosen) < 3 and (subject := _subject(chosen)):
        chosen = [*chosen, subject]
    rank: dict[int, int] = {}
    for candidate in chosen:
        rank.setdefault(candidate.pick.passage, len(rank))
    picks = [candidate.pick for candidate in chosen]
    return sorted(picks, key=lambda pick: (rank[pick.passage], pick.sentence.start))


def _subject(chosen: Sequence[Candidate]) -> Candidate | None:
    """The sentence that the best one points back to: "It was built in 1889." needs it."""
    if not chosen or not _POINTS_BACK.match(chosen[0].pick.text):
        return None
    before = chosen[0].before
    if before is None or before.pick.sentence.kind != "prose":
        return None
    return None if before.cut_off or before in chosen else before
