"""Sentences of a passage: the smallest pieces of a text that can be quoted by themselves.

A list item and a table row count as sentences; headings and code are kinds of their own.
Sentences come in the order of the text, do not overlap, and none is blank.
"""

import re
from dataclasses import dataclass
from typing import Literal

from carrel.generation.boundaries import sentence_ends

Kind = Literal["prose", "item", "row", "heading", "code"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text[start:end]` of the text that was split.

    `cells` holds a row's cells, and `header` those of the row that names the columns.
    """

    kind: Kind
    start: int
    end: int
    cells: tuple[str, ...] = ()
    header: tuple[str, ...] = ()


_HEADING = re.compile(r"\s{0,3}#{1,6}\s")
_ITEM = re.compile(r"\s*(?:[-*+•–]|\d{1,3}\\?[.)]|[a-z]\))\s+")
_ROW = re.compile(r"\s*\|.*\|\s*$")
_RULE = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*$")
_COLUMNS = re.compile(r"\S {3,}\S")
_COLUMN_RULE = re.compile(r"\s*-{3,}(?:\s+-{3,})+\s*$")
_CAPITALS = re.compile(r"[^a-zß-öø-ÿ]*[A-ZÀ-ÖØ-Þ]{3}[^a-zß-öø-ÿ]*$")
_UNDERLINE = re.compile(r"\s{0,3}(?:={3,}|-{3,}|\*{3,}|_{3,})\s*$")
_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")
_LABEL = re.compile(r"\s*\**[A-ZÀ-ÖØ-Þ][^:.\n]{0,38}:(?:\s|\*|$)")
_LINK = re.compile(r"!?\[([^\]\n]+)\]\([^)\s]*\)")
_STRONG = re.compile(r"\*\*(\S(?:[^*\n]*\S)?)\*\*|(?<!\w)__(\S(?:[^_\n]*\S)?)__(?!\w)")
_HASHES = re.compile(r"^\s*#+\s+|\s+#+\s*$")


def split(text: str, *, header: tuple[str, ...] = ()) -> list[Sentence]:
    """The sentences of *text*. *header* names the columns of a table that *text* starts within."""
    reader = _Reader(text, header)
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        reader.read(start, end)
        start = end + 1
    reader.close()
    return reader.found


def readable(text: str, sentence: Sentence) -> str:
    """*sentence* as people read it: on one line, without Markdown's own signs.

    A row names its columns: "Plan: Pro; Price: $89".
    """
    if sentence.kind == "row":
        return _row(sentence)
    shown = text[sentence.start : sentence.end]
    if sentence.kind == "item":
        shown = _ITEM.sub("", shown, count=1)
    elif sentence.kind == "heading":
        shown = _HASHES.sub("", shown)
    return _plain(shown)


class _Reader:
    """Reads a text line by line; a block is a paragraph or a list item under way."""

    def __init__(self, text: str, header: tuple[str, ...]) -> None:
        self.found: list[Sentence] = []
        self._text = text
        self._columns = header
        self._block: list[tuple[int, int]] = []
        self._kind: Kind = "prose"
        self._fenced = False

    def read(self, start: int, end: int) -> None:
        line = self._text[start:end]
        if _FENCE.match(line):
            self.close()
            self._fenced = not self._fenced
        elif not line.strip():
            self.close()
        elif self._fenced:
            self._kind = "code"
            self._block.append((start, end))
        elif _ROW.match(line) or _COLUMNS.search(line) or _COLUMN_RULE.match(line):
            self._read_row(start, end, line)
        elif _UNDERLINE.match(line):
            self._read_underline(line)
        elif _HEADING.match(line) or (len(line) < 60 and _CAPITALS.match(line)):
            self.close()
            self._add("heading", start, end)
        else:
            self._read_words(start, end, line)

    def close(self) -> None:
        """End the block under way."""
        if self._block:
            start, stop = _trimmed(self._text, self._block[0][0], self._block[-1][1])
            ends = sentence_ends(self._text, start, stop) if self._kind == "prose" else ()
            for end in (*ends, stop):
                self._add(self._kind, start, end)
                start = end
        self._block = []
        self._kind = "prose"

    def _read_row(self, start: int, end: int, line: str) -> None:
        self.close()
        if not _RULE.match(line) and not _COLUMN_RULE.match(line):
            self._add("row", start, end, _cells(line), self._columns)
        elif self.found and self.found[-1].kind == "row":
            # The row above turns out to be the header.
            self._columns = self.found.pop().cells

    def _read_underline(self, line: str) -> None:
        if self._kind == "prose" and len(self._block) == 1 and line.strip()[0] in "=-":
            self._add("heading", *self._block.pop())
        self.close()

    def _read_words(self, start: int, end: int, line: str) -> None:
        if _ITEM.match(line):
            self.close()
            self._kind = "item"
        elif self._block and self._starts_anew(line):
            self.close()
        self._block.append((start, end))

    def _starts_anew(self, line: str) -> bool:
        """Whether *line* starts another paragraph, though no blank line says so.

        A writer's own line break comes early in a line; a margin's comes late.
        """
        if self._kind == "item" and line[0].isspace():
            return False
        start, end = self._block[-1]
        before = self._text[start:end].rstrip()
        if _LABEL.match(line) or (len(before) < 60 and _LABEL.match(before)):
            return True
        longest = max(len(line), *(end - start for start, end in self._block))
        return len(before) < 0.6 * longest or longest < 40

    def _add(
        self,
        kind: Kind,
        start: int,
        end: int,
        cells: tuple[str, ...] = (),
        header: tuple[str, ...] = (),
    ) -> None:
        start, end = _trimmed(self._text, start, end)
        if kind != "row":
            self._columns = ()
        if start < end:
            self.found.append(Sentence(kind, start, end, cells, header))


def _cells(line: str) -> tuple[str, ...]:
    if "|" in line:
        cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    else:
        cells = re.split(r" {2,}", line.strip())
    return tuple(_plain(cell.replace("\\|", "|")) for cell in cells)


def _row(row: Sentence) -> str:
    if len(row.header) != len(row.cells):
        return "; ".join(cell for cell in row.cells if cell)
    pairs = zip(row.header, row.cells, strict=True)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)


def _plain(text: str) -> str:
    return " ".join(_STRONG.sub(r"\1\2", _LINK.sub(r"\1", text)).split())


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
