"""One document, from its bytes to its text; to be run where it can do no harm.

Whatever the format, the text is Markdown without images, without control
characters, and holds at least one letter or digit.
"""

import re
from collections.abc import Callable, Sequence

from carrel.domain.document import ParsedDocument
from carrel.ingestion.parse.archive import check_archive
from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.decode import decode
from carrel.ingestion.parse.failure import ParseFailed
from carrel.ingestion.parse.media_types import (
    CONTAINER_PARTS,
    CSV,
    EML,
    FORMATS,
    JSON,
    MARKDOWN,
    PDF,
    TEXT,
    XLSX,
    ZIP,
)
from carrel.ingestion.sections import first_heading

_PAGE_BREAK = "\n\n"
_TITLE_CHARACTERS = 300
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff]")
_IMAGE = re.compile(r'!\[([^\]\n]{0,1000})\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+"[^"\n]{0,300}")?\)')
_BLANK_LINES = re.compile(r"\n{3,}")
_WORD = re.compile(r"[^\W_]")
_WITHOUT_HEADINGS = (TEXT, CSV, XLSX, JSON, ZIP)


def read(data: bytes, media_type: str, caps: Caps, *, depth: int = 0) -> ParsedDocument:
    """The document's text, its pages where it has pages, and its title where it has one.

    A document within others is read at a *depth* above 0.

    Raises:
        ParseFailed: empty, damaged, encrypted, without text, or with too much of it.
    """
    if not data:
        raise ParseFailed("the file is empty")
    if media_type not in FORMATS:
        raise ParseFailed(f"files of type {media_type} are not supported")
    if depth > caps.depth:
        raise ParseFailed(f"it is more than {caps.depth} files deep")
    parts, title, paged = _parts(data, media_type, caps, depth)
    if sum(map(len, parts)) > caps.text_characters:
        raise ParseFailed(
            f"the document has more than {caps.text_characters:,} characters of text", of_all=True
        )
    parts = [_tidy(part, markdown=media_type not in (TEXT, CSV)) for part in parts]
    text, starts = _paginated(parts)
    if not _WORD.search(text):
        raise ParseFailed(
            "the document has no text: it may consist of scanned pages or pictures"
            if paged
            else "the document has no text"
        )
    if not title and media_type not in _WITHOUT_HEADINGS:
        title = first_heading(text)
    return ParsedDocument(text, starts if paged else (), _title(title))


def _parts(
    data: bytes, media_type: str, caps: Caps, depth: int
) -> tuple[Sequence[str], str | None, bool]:
    """The text in parts, the title, and whether parts are pages."""
    if media_type == PDF:
        from carrel.ingestion.parse.pdf import pdf_pages

        return pdf_pages(data), None, True
    if media_type in (TEXT, MARKDOWN, CSV, JSON):
        return [_plain_text(decode(data), media_type)], None, False
    if media_type == ZIP:
        from carrel.ingestion.parse.container import zip_text

        return [zip_text(data, caps, _within(caps, depth))], None, False
    if media_type in CONTAINER_PARTS:
        check_archive(data, media_type, caps)
    from carrel.ingestion.parse.office import extract

    extracted = extract(data, media_type, caps)
    if media_type == EML:
        from carrel.ingestion.parse.container import attachments_text

        attached = attachments_text(data, caps, _within(caps, depth))
        return ["\n\n".join([*extracted.parts, attached])], extracted.title, False
    return extracted.parts, extracted.title, extracted.paged


def _plain_text(text: str, media_type: str) -> str:
    if media_type == CSV:
        from carrel.ingestion.parse.table import csv_text

        return csv_text(text)
    if media_type == JSON:
        from carrel.ingestion.parse.json_text import json_text

        return json_text(text)
    return text


def _within(caps: Caps, depth: int) -> Callable[[bytes, str], str]:
    """Reads documents within this one; together they may have as much text as one."""
    left = caps.text_characters

    def text(data: bytes, media_type: str) -> str:
        nonlocal left
        found = read(data, media_type, caps, depth=depth + 1).text
        left -= len(found)
        if left < 0:
            raise ParseFailed(
                f"the document has more than {caps.text_characters:,} characters of text",
                of_all=True,
            )
        return found

    return text


def _tidy(text: str, *, markdown: bool) -> str:
    """Text that any database and any reader of Markdown may be given.

    An image is replaced by its description: nobody can quote it, and its address
    would be fetched by whatever displays an answer.
    """
    text = _CONTROLS.sub("", text)
    if markdown:
        text = _IMAGE.sub(r"\1", text)
    return _BLANK_LINES.sub("\n\n", text).strip("\n")


def _paginated(pages: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """The pages as one text, and where each starts. An empty page starts where the next does."""
    text = _PAGE_BREAK.join(page for page in pages if page)
    starts: list[int] = []
    start = 0
    for page in pages:
        starts.append(min(start, len(text)))
        start += len(page) + (len(_PAGE_BREAK) if page else 0)
    return text, tuple(starts)


def _title(title: str | None) -> str | None:
    plain = " ".join(_CONTROLS.sub("", title or "").split())
    return plain[:_TITLE_CHARACTERS] or None
