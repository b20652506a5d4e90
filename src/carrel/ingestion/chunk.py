"""Chunks of a document: short enough to embed, cut where the text itself pauses.

A chunk is a span of the document and never a rewording:
`document.text[chunk.start:chunk.end] == chunk.text`. Chunks come in the order
of the text, and together hold every character of it that is not blank. A change of where
they are cut is another `METHOD` of `chunking`.
"""

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache

from semantic_text_splitter import MarkdownSplitter

from carrel.domain.document import Chunk, ParsedDocument
from carrel.ingestion.sections import Section, TableHeaders, outline
from carrel.ingestion.token_count import TokenCounter

PATH_SEPARATOR = " › "
_WINDOW_CHARACTERS = 16_384
_BREAKS = ("\n\n", "\n", " ")


def chunk(document: ParsedDocument, *, tokens: int = 200, overlap: int = 40) -> list[Chunk]:
    """The chunks of *document*, each of at most *tokens* tokens of the default embedder.

    Headings come first: no chunk runs over one, except over headings with nothing
    under them. Within a section, a chunk repeats up to *overlap* tokens of the one before.
    A chunk that starts among a table's rows has the table's header as the last step of
    its heading path, for the header is a chunk or more away.
    """
    sections, tables = outline(document.text)
    return [
        Chunk(
            ordinal=ordinal,
            text=document.text[start:end],
            start=start,
            end=end,
            heading=_heading(section, tables, start),
            page=_page(document.page_starts, start),
        )
        for ordinal, (section, start, end) in enumerate(
            (section, start, end)
            for section in sections
            for start, end in _spans(document.text, section, tokens, overlap)
        )
    ]


def _spans(text: str, section: Section, tokens: int, overlap: int) -> Iterator[tuple[int, int]]:
    """The chunks of one section as (start, end). The headings go with the first."""
    start = _first_character(text, section.start, section.end)
    room, count = tokens, _counter(tokens)
    if start < section.body:
        words = _first_character(text, section.body, section.end)
        room -= count(text[start:words])
    # A heading longer than half a chunk is text like any other.
    body = section.body if room >= tokens // 2 else start
    if body == start:
        room = tokens
    for window, window_end in _windows(text, body, section.end):
        for offset, piece in _splitter(tokens, room, overlap).chunk_indices(
            text[window:window_end]
        ):
            if not piece.strip():  # the splitter's idea of a blank is narrower
                continue
            for begins, ends in _fitting(text, window + offset, len(piece), room, count):
                yield (min(start, begins), ends)
                start = len(text)


def _fitting(
    text: str, start: int, length: int, room: int, count: TokenCounter
) -> Iterator[tuple[int, int]]:
    """A piece as (start, end), or, in the rare case that it has more than *room* tokens, its parts.

    The splitter leaves whole what has no more bytes than that. A character that the tokenizer
    does not know is a token for each byte, and the beginning of a text is one, too.
    """
    piece = text[start : start + length]
    if len(piece.encode()) > room or count(piece) <= room or length == 1:
        yield start, start + length
        return
    line = piece.rfind("\n", 0, length - 1) + 1
    half = line if piece[:line].strip() and piece[line:].strip() else length // 2
    yield from _fitting(text, start, half, room, count)
    yield from _fitting(text, start + half, length - half, room, count)


def _windows(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """*text* from *start* to *end* in pieces that the splitter takes in its stride.

    To place one cut the splitter measures ever larger parts of all it was given, so that its
    time grows with the square of the length; a file may be one line of megabytes.
    """
    while end - start > _WINDOW_CHARACTERS:
        low, high = start + _WINDOW_CHARACTERS // 2, start + _WINDOW_CHARACTERS
        found = (text.rfind(mark, low, high) for mark in _BREAKS)
        cut = next((at + 1 for at in found if at >= 0), high)
        yield start, cut
        start = cut
    yield start, end


def _heading(section: Section, tables: TableHeaders, offset: int) -> str:
    header = tables.at(offset)
    return PATH_SEPARATOR.join([*section.path, header] if header else section.path)


def _page(page_starts: tuple[int, ...], offset: int) -> int | None:
    return max(1, bisect_right(page_starts, offset)) if page_starts else None


def _first_character(text: str, start: int, end: int) -> int:
    part = text[start:end]
    return start + len(part) - len(part.lstrip())


@lru_cache(maxsize=4)
def _counter(tokens: int) -> TokenCounter:
    return TokenCounter(tokens)


@lru_cache(maxsize=256)
def _splitter(tokens: int, room: int, overlap: int) -> MarkdownSplitter:
    return MarkdownSplitter.from_callback(_counter(tokens), room, overlap=min(overlap, room // 2))
