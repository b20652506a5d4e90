"""The marks `[n]` of an answer: where they are, what they are said of, and whether that holds.

A mark stands after the words that it supports. Code is left alone, and so are links:
`a[1]`, [1](https://…).
"""

import re
from collections.abc import Iterator

from carrel.domain.document import Passage
from carrel.generation.boundaries import sentence_ends

MARK = re.compile(r"\s?\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\](?!\()")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_WORD = re.compile(r"\w+")
_STEM_LETTERS = 6
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
    ends = sentence_ends(text, start, len(text))
    for offset in reversed([start, *ends]):
        # A mark after the full stop belongs to the sentence before it.
        if _WORD.search(claim := MARK.sub("", text[offset:])):
            return claim.strip()
    return ""


def said_before(text: str) -> str:
    """What a mark at the end of *text* covers at most: its line, from the mark before it on."""
    line = text[text.rfind("\n") + 1 :]
    starts = [0, *(mark.end() for mark in MARK.finditer(line))]
    for start, end in zip(reversed(starts), [len(line), *reversed(starts)], strict=False):
        if _WORD.search(said := MARK.sub("", line[start:end])):
            return said.strip()
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


def _has_digit(word: str) -> bool:
    return any(letter.isdigit() for letter in word)
