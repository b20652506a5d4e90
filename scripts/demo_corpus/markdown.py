"""A small Markdown reader: headings, paragraphs, lists, tables and quotes, one line each.

A block that it does not know is an error rather than text that silently
looks wrong in four formats.
"""

import re
from dataclasses import dataclass
from itertools import groupby

_HEADING = re.compile(r"(#{1,3}) (.+)")
_NUMBERED = re.compile(r"\d+\. (.+)")
_RULE = re.compile(r"[\s|:-]+")


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    texts: tuple[str, ...]
    numbered: bool


@dataclass(frozen=True, slots=True)
class Table:
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """Shown as speaker's notes in slides; other formats have no use for it."""

    text: str


Block = Heading | Paragraph | Items | Table | Quote


def parse(text: str) -> list[Block]:
    """The blocks of *text*, in order; lines of one list or table belong together.

    Raises:
        ValueError: a table without a header rule, or with ragged rows.
    """
    blocks: list[Block] = []
    for kind, lines in groupby(text.splitlines(), key=_kind):
        if kind != "blank":
            blocks.extend(_blocks(kind, list(lines)))
    return blocks


def sections(blocks: list[Block]) -> list[tuple[Heading, list[Block]]]:
    """Second-level headings, each with what follows up to the next one."""
    found: list[tuple[Heading, list[Block]]] = []
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2:
            found.append((block, []))
        elif found:
            found[-1][1].append(block)
    return found


def _kind(line: str) -> str:
    if not line.strip():
        return "blank"
    if _HEADING.fullmatch(line):
        return "heading"
    if line.startswith("|"):
        return "table"
    if line.startswith("- "):
        return "bullets"
    if line.startswith("> "):
        return "quote"
    return "numbered" if _NUMBERED.fullmatch(line) else "paragraph"


def _blocks(kind: str, lines: list[str]) -> list[Block]:
    if kind == "heading":
        found = [_HEADING.fullmatch(line) for line in lines]
        return [Heading(len(match[1]), match[2]) for match in found if match]
    if kind == "table":
        return [_table(lines)]
    if kind == "bullets":
        return [Items(tuple(line[2:] for line in lines), numbered=False)]
    if kind == "numbered":
        return [Items(tuple(line.split(". ", 1)[1] for line in lines), numbered=True)]
    if kind == "quote":
        return [Quote(" ".join(line[2:] for line in lines))]
    return [Paragraph(line) for line in lines]


def _table(lines: list[str]) -> Table:
    if len(lines) < 3 or not _RULE.fullmatch(lines[1]):
        raise ValueError(f"a table needs a header, a rule and a row: {lines[0]!r}")
    header, _, *rows = (
        tuple(cell.strip() for cell in line.strip("| ").split("|")) for line in lines
    )
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"rows of different lengths under {lines[0]!r}")
    return Table(header, tuple(rows))
