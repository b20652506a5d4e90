"""The marks `[n]` of an answer: where they are, what they are said of, and whether that holds.

A mark stands after the words that it supports. Code is left alone, and so are links:
`a[1]`, [1](https://…).
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain

from carrel.domain.document import Passage
from carrel.generation.boundaries import CONTEXT, sentence_ends

MARK = re.compile(r"\s?\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\](?!\()")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_WORD = re.compile(r"\w+")
_STEM_LETTERS = 6
_NEAR = 200  # characters before a mark, in which most sentences begin
_SHORT_WORD = 3  # letters: "the", "of", "und"; what all texts of a language share


def marks(text: str) -> Iterator[re.Match[str]]:
    """The marks of *text*, outside code."""
    code = [match.span() for match in _CODE.finditer(text)]
    for mark in MARK.finditer(text):
        if not any(start <= mark.start() < end for start, end in code):
            yield mark


def numbers_of(mark: re.Match[str]) -> list[int]:
    """The sources that *mark* names."""
    return [int(number) for number in mark[1].split(",")]


def claim_before(text: str) -> str:
    """The last sentence of *text*, which a mark at its end belongs to, without marks."""
    start = text.rfind("\n") + 1
    near = len(text) - _NEAR
    if near > start:
        ends = [end for end in sentence_ends(text, near, len(text)) if end > near + 2 * CONTEXT]
        if claim := _last_claim(text, ends):
            return claim
    return _last_claim(text, [start, *sentence_ends(text, start, len(text))])


def said_before(text: str) -> str:
    """What a mark at the end of *text* covers at most: its line, from the mark before it on."""
    line, end = text.rfind("\n") + 1, len(text)
    for start in chain(_ends_of_marks(text, line), [line]):
        if _WORD.search(said := MARK.sub("", text[start:end])):
            return said.strip()
        end = start
    return ""


def stems(text: str) -> set[str]:
    """Words by their first letters, which is stem enough to compare two sentences."""
    return {word.casefold()[:_STEM_LETTERS] for word in _WORD.findall(text)}


def words_of(passage: Passage) -> set[str]:
    """What *passage* says, as `stems`."""
    return stems(f"{passage.title} {passage.heading} {passage.text}")


def supports(held: set[str], claim: str) -> bool:
    """Whether a passage of the words *held* may support *claim*.

    False where they share no word that says anything.
    Two texts that share not even short words are of two languages, or too short to
    tell: the claim may be a translation, and stands.
    """
    claimed = stems(claim)
    telling = {each for each in claimed if len(each) > _SHORT_WORD or _has_digit(each)}
    if not telling or telling & held:
        return True
    return not (claimed - telling) & held


def _last_claim(text: str, offsets: Sequence[int]) -> str:
    for offset in reversed(offsets):
        # A mark after the full stop belongs to the sentence before it.
        if _WORD.search(claim := MARK.sub("", text[offset:])):
            return claim.strip()
    return ""


def _ends_of_marks(text: str, start: int) -> Iterator[int]:
    """Where marks of `text[start:]` end, the last one first."""
    close = len(text)
    while (close := text.rfind("]", start, close)) >= 0:
        opening = text.rfind("[", start, close)
        mark = MARK.match(text, opening) if opening >= 0 else None
        if mark and mark.end() == close + 1:
            yield mark.end()


def _has_digit(word: str) -> bool:
    return any(letter.isdigit() for letter in word)
