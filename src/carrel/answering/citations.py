"""Citations: the marks `[n]` of an answer, tied to the words of the sources that support them.

A citation points at characters that exist: `quote` is the document's text from
`start` to `end`. A mark whose number names no source is never a citation.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from carrel.answering.marks import claim_before, marks, numbers_of, stems
from carrel.domain.answer import Citation
from carrel.domain.document import Passage
from carrel.generation.sentences import readable, split
from carrel.lately import Lately

_ENDING = re.compile(r"[.!?…。]*[\"'”’»)\]]*")
_Sentence = tuple[int, int, set[str]]  # where it starts and ends, and its words
# Of passages that many ask about.
_split_lately: Lately[str, list[_Sentence]] = Lately(1_024)
_plain_lately: Lately[str, str] = Lately(1_024)  # with single spaces


@dataclass(frozen=True, slots=True)
class _Span:
    """Characters of a passage, and how well they support a claim (2: they are its very words)."""

    start: int
    end: int
    support: float


def cite(text: str, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """One citation for each source that *text* marks, in the order of first appearance.

    It points at the span that best supports a sentence with the mark: its own
    words where the source has them, else the sentence with most words in common,
    else the whole passage.
    """
    claims: dict[int, list[str]] = {}
    for mark in marks(text):
        for number in numbers_of(mark):
            if 1 <= number <= len(passages):
                claims.setdefault(number, []).append(claim_before(text[: mark.start()]))
    return tuple(
        _citation(number, passages[number - 1], sentences) for number, sentences in claims.items()
    )


def _citation(number: int, passage: Passage, claims: Sequence[str]) -> Citation:
    def sentences() -> list[_Sentence]:
        return _split_lately.of(passage.text, lambda: _sentences(passage.text))

    spans = [_best_span(claim, passage, sentences) for claim in claims]
    best = max(spans, key=lambda span: span.support)
    return Citation(
        index=number,
        chunk_id=passage.chunk_id,
        document_id=passage.document_id,
        title=passage.title,
        page=passage.page,
        heading=passage.heading,
        start=passage.start + best.start,
        end=passage.start + best.end,
        quote=passage.text[best.start : best.end],
    )


def _best_span(claim: str, passage: Passage, sentences: Callable[[], list[_Sentence]]) -> _Span:
    words = claim.split()
    # A claim of three words or fewer stands in many places by chance.
    if len(words) > 3 and (found := _verbatim(claim, words, passage.text)):
        ending = _ENDING.match(passage.text, found[1])
        return _Span(found[0], ending.end() if ending else found[1], 2.0)
    best = _Span(0, len(passage.text), 0.0)
    claimed = stems(claim)
    for start, end, held in sentences():
        # Dice's coefficient: long sentences don't win by their length.
        support = 2 * len(claimed & held) / ((len(claimed) + len(held)) or 1)
        if support > best.support:
            best = _Span(start, end, support)
    return best


def _verbatim(claim: str, words: Sequence[str], text: str) -> tuple[int, int] | None:
    """Where *text* has the claim's words, however they are spaced."""
    if (at := text.find(claim)) >= 0:
        return at, at + len(claim)
    if " ".join(words) not in _plain_lately.of(text, lambda: " ".join(text.split())):
        return None
    match = re.search(r"\s+".join(map(re.escape, words)), text)
    return match.span() if match else None


def _sentences(text: str) -> list[_Sentence]:
    return [(each.start, each.end, stems(readable(text, each))) for each in split(text)]
