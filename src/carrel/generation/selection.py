"""Which sentences of the passages answer a question best: pure, and without a model.

A sentence earns the question's stems that it holds, weighed by how few of the
sentences hold them, and less for those that stand above or beside it.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from carrel.domain.document import Passage
from carrel.generation.sentences import Sentence, readable, split

Stems = frozenset[int]
_NONE: Stems = frozenset()

# Weights of a softmax over the sentences of eight passages, fitted to hold XQuAD's answer
# (English; fitted on either half of the questions, the other half comes out the same).
_MATCH, _PASSAGE, _HINT, _TOO_SHORT = 7.9, 8.1, 2.0, -1.2
# What a stem is worth to a sentence that does not hold it itself.
_DIRECTLY_ABOVE, _HEADINGS, _BESIDE = 0.6, 0.4, 0.17
_CUT_OFF, _CODE = -1.0, -3.0
# A second and a third sentence join when they score at most this much below the first.
# One sentence alone holds XQuAD's answer in 78%; with these margins it is 85%, in 7 words more.
_MARGINS = (1.0, 0.7)

_QUANTITY = re.compile(
    r"\bhow (?:many|much|long|old|far|often|large|big|tall|high|fast|soon)\b"
    r"|\bwhat (?:is the )?(?:percent\w*|number|amount|price|cost|rate|fee)\b"
    r"|\bwie ?(?:viele?|lange|oft|hoch|groß|alt|weit)\b",
    re.IGNORECASE,
)
_MOMENT = re.compile(
    r"\b(?:when|(?:what|which) (?:year|date|day|month|century|time)"
    r"|wann|welche[ms] (?:jahr|datum))\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"\b(?:who|whom|whose|where|wer|wem|wen|wo|woher|wohin"
    r"|(?:what|which) (?:person|player|city|country|state|place|company|school|university))\b",
    re.IGNORECASE,
)
_A_QUANTITY = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand"
    r"|million|billion|half|third|percent|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|hundert"
    r"|tausend|millionen|prozent)\b",
    re.IGNORECASE,
)
_A_MOMENT = re.compile(
    r"\b(?:1\d{3}|20\d\d)s?\b|\b\d{1,2}:\d\d\b|\bcentury\b|\bJahrhundert\b"
    r"|\b(?:Jan|Feb|Mar|Mär|Apr|Ma[iy]|Jun|Jul|Aug|Sep|O[ck]t|Nov|De[cz])[a-zä]*\b"
    r"|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b"
)
_CAPITALISED = re.compile(r"(?<=[\w,;:(] )[\"'“(]?([A-ZÀ-ÖØ-Þ]\w+)")
_POINTS_BACK = re.compile(
    r"(?:He|She|It|They|This|These|Those|That|His|Her|Its|Their|However|Er|Sie|Es|Dies|Diese[rsm]?)\b"
)


@dataclass(frozen=True, slots=True)
class Pick:
    """A sentence to quote from passage number *passage* (from 0), readable as `text`."""

    passage: int
    sentence: Sentence
    text: str


@dataclass(slots=True)
class _Candidate:
    pick: Pick
    stems: Stems
    above: Stems
    headings: Stems
    before: "_Candidate | None"
    after: "_Candidate | None" = None
    cut_off: bool = False


def select(question: str, passages: Sequence[Passage], terms: Callable[[str], Stems]) -> list[Pick]:
    """One to three sentences, the best passage's first and in the order of its text.

    Empty only where no passage has a sentence. *terms* gives the stems of a text.
    """
    candidates = [
        candidate
        for index, passage in enumerate(passages)
        for candidate in _candidates(index, passage, terms)
    ]
    candidates = _distinct(candidates)
    scores = _scores(question, passages, candidates, terms)
    order = sorted(range(len(candidates)), key=lambda at: -scores[at])
    chosen = [
        at
        for at, margin in zip(order, (0.0, *_MARGINS), strict=False)
        if scores[at] >= scores[order[0]] - margin
    ]
    return _in_reading_order([candidates[at] for at in chosen])


def _candidates(index: int, passage: Passage, terms: Callable[[str], Stems]) -> list[_Candidate]:
    header = tuple(passage.heading.rsplit(" › ", 1)[-1].split(" | "))
    headings = terms(f"{passage.title} {passage.heading}")
    found: list[_Candidate] = []
    above = lead = _NONE
    for sentence in split(passage.text, header=header if len(header) > 1 else ()):
        text = readable(passage.text, sentence)
        stems = terms(text)
        if sentence.kind == "heading" or text.endswith("?"):
            above, lead = stems, _NONE
            headings |= stems
            continue
        if sentence.kind == "prose":
            lead = stems if text.endswith(":") else _NONE
        before = found[-1] if found else None
        found.append(_Candidate(Pick(index, sentence, text), stems, above | lead, headings, before))
        if before is not None:
            before.after = found[-1]
        above = _NONE
    _mark_cut_off(found)
    return found


def _mark_cut_off(found: Sequence[_Candidate]) -> None:
    """Mark prose that the edges of its passage cut, or that announces what is not with it."""
    for position, candidate in enumerate(found):
        text = candidate.pick.text
        if candidate.pick.sentence.kind == "prose":
            candidate.cut_off = (
                text.endswith(":")
                or (position == 0 and text[0].islower())
                or (position == len(found) - 1 and text[-1].isalnum())
            )


def _distinct(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Without repetitions, which come of overlapping chunks and of copied paragraphs."""
    seen: dict[str, _Candidate] = {}
    for candidate in candidates:
        seen.setdefault(candidate.pick.text, candidate)
    return list(seen.values())


def _scores(
    question: str,
    passages: Sequence[Passage],
    candidates: Sequence[_Candidate],
    terms: Callable[[str], Stems],
) -> list[float]:
    asked = terms(question)
    rarity = _rarity(asked, [candidate.stems for candidate in candidates])
    whole = sum(rarity.values()) or 1.0
    hinted = _hint(question, asked, terms)
    scores: list[float] = []
    for candidate in candidates:
        text, kind = candidate.pick.text, candidate.pick.sentence.kind
        score = _MATCH * sum(rarity[stem] * _credit(stem, candidate) for stem in asked) / whole
        score += _PASSAGE * passages[candidate.pick.passage].score
        score += _HINT * hinted(text)
        score += _TOO_SHORT * (kind == "prose" and text.count(" ") < 5)
        score += _CUT_OFF * candidate.cut_off + _CODE * (kind == "code")
        scores.append(score)
    return scores


def _rarity(asked: Stems, sentences: Sequence[Stems]) -> Mapping[int, float]:
    """BM25's IDF of each stem of the question, over the sentences at hand."""
    holding = Counter(stem for stems in sentences for stem in stems & asked)
    count = len(sentences)
    return {
        stem: math.log(1 + (count - holding[stem] + 0.5) / (holding[stem] + 0.5)) for stem in asked
    }


def _credit(stem: int, candidate: _Candidate) -> float:
    if stem in candidate.stems:
        return 1.0
    if stem in candidate.above:
        return _DIRECTLY_ABOVE
    if stem in candidate.headings:
        return _HEADINGS
    beside = (candidate.before, candidate.after)
    return _BESIDE * any(stem in other.stems for other in beside if other is not None)


def _hint(question: str, asked: Stems, terms: Callable[[str], Stems]) -> Callable[[str], bool]:
    """Whether a text holds the kind of thing that *question* asks for."""
    if _QUANTITY.search(question):
        return lambda text: _A_QUANTITY.search(text) is not None
    if _MOMENT.search(question):
        return lambda text: _A_MOMENT.search(text) is not None
    if _NAME.search(question):
        return lambda text: any(not terms(name) <= asked for name in _CAPITALISED.findall(text))
    return lambda text: False


def _in_reading_order(chosen: list[_Candidate]) -> list[Pick]:
    if len(chosen) < 3 and (subject := _subject(chosen)):
        chosen = [*chosen, subject]
    rank: dict[int, int] = {}
    for candidate in chosen:
        rank.setdefault(candidate.pick.passage, len(rank))
    picks = [candidate.pick for candidate in chosen]
    return sorted(picks, key=lambda pick: (rank[pick.passage], pick.sentence.start))


def _subject(chosen: Sequence[_Candidate]) -> _Candidate | None:
    """The sentence that the best one points back to: "It was built in 1889." needs it."""
    if not chosen or not _POINTS_BACK.match(chosen[0].pick.text):
        return None
    before = chosen[0].before
    if before is None or before.pick.sentence.kind != "prose":
        return None
    return None if before.cut_off or before in chosen else before
