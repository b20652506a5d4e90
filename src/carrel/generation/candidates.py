"""The sentences of passages that may be quoted, each with what stands above and beside it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from carrel.domain.document import Passage
from carrel.generation.sentences import Sentence, readable, split

Stems = frozenset[int]
NONE: Stems = frozenset()
_UNPUNCTUATED = re.compile(r"[\w)\"”’»%]$")


@dataclass(frozen=True, slots=True)
class Pick:
    """A sentence to quote from passage number *passage* (from 0), readable as `text`."""

    passage: int
    sentence: Sentence
    text: str


@dataclass(slots=True)
class Candidate:
    """A sentence, and the stems around it.

    `stems` are its own, and for a table's row those of its cells; `columns` those of the row's
    header. `above` stand in the heading, question or lead-in directly above it, `headings` in
    all others. `list` numbers, within the passage, the list or table that it is a part of.
    """

    pick: Pick
    stems: Stems
    columns: Stems
    above: Stems
    headings: Stems
    before: "Candidate | None"
    after: "Candidate | None" = None
    list: int | None = None
    cut_off: bool = False


def candidates(index: int, passage: Passage, terms: Callable[[str], Stems]) -> list[Candidate]:
    """What can be quoted of *passage*, number *index*, in the order of its text."""
    return _Gatherer(index, passage, terms).gather()


def distinct(found: Sequence[Candidate]) -> list[Candidate]:
    """Without repetitions, which come of overlapping chunks and of copied paragraphs."""
    seen: dict[str, Candidate] = {}
    for candidate in found:
        seen.setdefault(candidate.pick.text, candidate)
    return list(seen.values())


class _Gatherer:
    def __init__(self, index: int, passage: Passage, terms: Callable[[str], Stems]) -> None:
        self._index = index
        self._passage = passage
        self._terms = terms
        self._found: list[Candidate] = []
        self._headings = terms(f"{passage.title} {passage.heading}")
        self._above = self._lead = self._list_above = NONE
        self._lists = 0

    def gather(self) -> list[Candidate]:
        header = tuple(self._passage.heading.rsplit(" › ", 1)[-1].split(" | "))
        text = self._passage.text
        for sentence in split(text, header=header if len(header) > 1 else ()):
            self._take(sentence, readable(text, sentence))
        _mark_cut_off(self._found)
        return self._found

    def _take(self, sentence: Sentence, text: str) -> None:
        stems = self._terms(text)
        if sentence.kind == "heading" or text.endswith("?"):
            self._above, self._lead = stems, NONE
            self._headings |= stems
            self._lists += 1
            return
        number = self._list_of(sentence, text)
        if sentence.kind == "prose":
            self._lead = stems if text.endswith(":") else NONE
        cells = self._terms("; ".join(sentence.cells)) if sentence.kind == "row" else stems
        before = self._found[-1] if self._found else None
        candidate = Candidate(
            Pick(self._index, sentence, text),
            cells,
            stems - cells,
            (self._above if number is None else self._list_above) | self._lead,
            self._headings,
            before,
            list=number,
        )
        self._found.append(candidate)
        if before is not None:
            before.after = candidate
        if text[-1] != ":":  # what announces a list hands its heading on to it
            self._above = NONE

    def _list_of(self, sentence: Sentence, text: str) -> int | None:
        """The number of the list that *sentence* is a part of; None for running text."""
        part = sentence.kind in ("item", "row") or (
            sentence.kind == "prose" and _UNPUNCTUATED.search(text) is not None
        )
        last = self._found[-1] if self._found else None
        goes_on = last is not None and last.list == self._lists
        if not part:
            if goes_on:
                self._lists += 1
            return None
        if goes_on and last is not None and last.pick.sentence.kind != sentence.kind:
            self._lists += 1
            goes_on = False
        if not goes_on:
            self._list_above = self._above
        return self._lists


def _mark_cut_off(found: Sequence[Candidate]) -> None:
    """Mark prose that the edges of its passage cut, or that announces what is not with it."""
    for position, candidate in enumerate(found):
        text = candidate.pick.text
        if candidate.pick.sentence.kind == "prose":
            candidate.cut_off = (
                text.endswith(":")
                or (position == 0 and text[0].islower())
                or (position == len(found) - 1 and text[-1].isalnum())
            )
