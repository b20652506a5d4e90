"""Citations: the marks `[n]` of an answer, tied to the words of the sources that support them.

A citation points at characters that exist: `quote` is the document's text from
`start` to `end`. A mark whose number names no source is never a citation.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from carrel.domain.answer import Citation
from carrel.domain.document import Passage
from carrel.generation.boundaries import sentence_ends
from carrel.generation.sentences import readable, split

# Code is left alone, and so are links: `a[1]`, [1](https://…).
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_MARK = re.compile(r"\s?\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\](?!\()")
_WORD = re.compile(r"\w+")
_ENDING = re.compile(r"[.!?…。]*[\"'”’»)\]]*")
_STEM_LETTERS = 6
_Sentence = tuple[int, int, set[str]]  # where it starts and ends, and its words


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
    for mark in _marks(text):
        for number in _numbers(mark):
            if 1 <= number <= len(passages):
                claims.setdefault(number, []).append(_claim(text, mark.start()))
    return tuple(
        _citation(number, passages[number - 1], sentences) for number, sentences in claims.items()
    )


def strip_invalid(text: str, count: int) -> str:
    """*text* without marks that name none of *count* sources."""
    pieces: list[str] = []
    position = 0
    for mark in _marks(text):
        valid = [number for number in _numbers(mark) if 1 <= number <= count]
        if len(valid) == len(_numbers(mark)):
            continue
        pieces.append(text[position : mark.start()])
        if valid:
            space = mark[0][: mark[0].index("[")]
            pieces.append(f"{space}[{', '.join(map(str, valid))}]")
        position = mark.end()
    return "".join([*pieces, text[position:]])


def _marks(text: str) -> Iterator[re.Match[str]]:
    code = [match.span() for match in _CODE.finditer(text)]
    for mark in _MARK.finditer(text):
        if not any(start <= mark.start() < end for start, end in code):
            yield mark


def _numbers(mark: re.Match[str]) -> list[int]:
    return [int(number) for number in mark[1].split(",")]


def _claim(text: str, at: int) -> str:
    """The sentence that the mark at offset *at* belongs to, up to the mark and without marks."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    ends = sentence_ends(text, start, len(text) if end < 0 else end)
    starts = [start, *(offset for offset in ends if offset <= at)]
    for offset in reversed(starts):
        # A mark after the full stop belongs to the sentence before it.
        if _WORD.search(claim := _MARK.sub("", text[offset:at])):
            return claim.strip()
    return ""


def _citation(number: int, passage: Passage, claims: Sequence[str]) -> Citation:
    sentences = cache(lambda: _sentences(passage.text))  # split once, if at all
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
    claimed = _stems(claim)
    for start, end, stems in sentences():
        # Dice's coefficient: long sentences don't win by their length.
        support = 2 * len(claimed & stems) / ((len(claimed) + len(stems)) or 1)
        if support > best.support:
            best = _Span(start, end, support)
    return best


def _verbatim(claim: str, words: Sequence[str], text: str) -> tuple[int, int] | None:
    """Where *text* has the claim's words, however they are spaced."""
    if (at := text.find(claim)) >= 0:
        return at, at + len(claim)
    if words[0] not in text:
        return None
    match = re.search(r"\s+".join(map(re.escape, words)), text)
    return match.span() if match else None


def _sentences(text: str) -> list[_Sentence]:
    return [(each.start, each.end, _stems(readable(text, each))) for each in split(text)]


def _stems(text: str) -> set[str]:
    """Words by their first letters, which is stem enough to compare two sentences."""
    return {word.casefold()[:_STEM_LETTERS] for word in _WORD.findall(text)}
