"""Sections of a Markdown text: a heading or several, and what stands under them.

Sections cover the text from end to end, in order and without gaps. One without
a word under its heading is joined to its neighbour, since it could answer nothing.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING_CHARACTERS = 120
_LONGEST_LINE = 2000  # characters; what is longer is neither a heading nor a table's header
_LINE = re.compile(r"[^\n]*(?:\n|\Z)")
_ATX = re.compile(r" {0,3}(#{1,6})(?=\s)")
_SETEXT = re.compile(r" {0,3}(?:(=+)|-{2,})[ \t]*\n?\Z")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_PARAGRAPH_START = re.compile(r" {0,3}(?![-*+>|#=]|\d+[.)] | )\S")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKUP = re.compile(r"\\([!-/:-@\[-`{-~])|\*+|`+|~~|(?<!\w)_+|_+(?!\w)")
_WORD = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Section:
    """`text[start:end]`, of which the headings are `text[start:body]`.

    `path` holds the headings that the body stands under, outermost first.
    """

    start: int
    body: int
    end: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Heading:
    start: int
    end: int
    level: int
    title: str


class TableHeaders:
    """The header rows of a text's tables, to be found from any place in a table's body."""

    def __init__(self, tables: list[tuple[int, int, str]]) -> None:
        self._tables = tables
        self._starts = [start for start, _, _ in tables]

    def at(self, offset: int) -> str:
        """The cells of the header, joined by " | "; empty outside the rows under a header."""
        index = bisect_right(self._starts, offset) - 1
        if index < 0:
            return ""
        _, end, header = self._tables[index]
        return header if offset < end else ""


def outline(text: str) -> tuple[list[Section], TableHeaders]:
    """The sections of *text*, and the headers of its tables."""
    headings: list[_Heading] = []
    tables: list[tuple[int, int, str]] = []
    previous, previous_start, after_blank = "", 0, True
    table: tuple[int, str] | None = None
    for start, line in _lines_outside_fences(text):
        if table and "|" not in line:
            tables.append((table[0], start, table[1]))
            table = None
        end = start + len(line)
        if heading := _ATX.match(line):
            headings.append(_Heading(start, end, len(heading[1]), _title(line[heading.end() :])))
        elif after_blank and _PARAGRAPH_START.match(previous) and (rule := _SETEXT.match(line)):
            level = 1 if rule[1] else 2
            headings.append(_Heading(previous_start, end, level, _plain(previous)))
        elif table is None and "|" in previous and _is_table_rule(line):
            table = (end, _cells(previous))
        after_blank = not previous.strip()
        previous, previous_start = line, start
    if table:
        tables.append((table[0], len(text), table[1]))
    return _joined(text, list(_sections(text, headings))), TableHeaders(tables)


def first_heading(text: str) -> str | None:
    """The first heading that begins with `#`, as people read it; None where there is none."""
    for _, line in _lines_outside_fences(text):
        if (heading := _ATX.match(line)) and (title := _title(line[heading.end() :])):
            return title
    return None


def _lines_outside_fences(text: str) -> Iterator[tuple[int, str]]:
    """Each line with its offset; a fenced block, or a line too long, is an empty one."""
    fence = ""
    for match in _LINE.finditer(text):
        line = match[0]
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
        elif mark and not (mark[1][0] == "`" and "`" in mark[2]):
            fence = mark[1]
            yield match.start(), ""
        else:
            yield match.start(), line if len(line) <= _LONGEST_LINE else ""


def _sections(text: str, headings: list[_Heading]) -> Iterator[Section]:
    if not headings or headings[0].start > 0:
        yield Section(0, 0, headings[0].start if headings else len(text), ())
    path: list[tuple[int, str]] = []
    for index, heading in enumerate(headings):
        end = headings[index + 1].start if index + 1 < len(headings) else len(text)
        path = [above for above in path if above[0] < heading.level]
        if heading.title:
            path.append((heading.level, heading.title))
        titles = tuple(title for _, title in path)
        yield Section(heading.start, heading.end, end, titles)


def _joined(text: str, sections: list[Section]) -> list[Section]:
    """The sections with each empty one put before the next, or at the end after the last."""
    joined: list[Section] = []
    start: int | None = None
    for section in sections:
        if start is None:
            start = section.start
        if _WORD.search(text, section.body, section.end):
            joined.append(Section(start, section.body, section.end, section.path))
            start = None
    if start is None:
        return joined
    if not joined:
        return [Section(0, 0, len(text), sections[-1].path)]
    last = joined[-1]
    return [*joined[:-1], Section(last.start, last.body, len(text), last.path)]


def _is_table_rule(line: str) -> bool:
    return "|" in line and "-" in line and not line.strip("|-: \t\n")


def _cells(row: str) -> str:
    cells = (cell.strip() for cell in row.strip().strip("|").split("|"))
    return _plain(" | ".join(cell for cell in cells if cell))


def _title(rest: str) -> str:
    """What follows the opening marks of a heading, without the closing ones."""
    title = rest.strip()
    opened = title.rstrip("#")
    return _plain(opened if not opened or opened[-1].isspace() else title)


def _plain(heading: str) -> str:
    """A heading as people read it: links by their text, without marks of emphasis."""
    plain = " ".join(_MARKUP.sub(r"\1", _LINK.sub(r"\1", heading)).split())
    return plain if len(plain) <= _HEADING_CHARACTERS else plain[: _HEADING_CHARACTERS - 1] + "…"
