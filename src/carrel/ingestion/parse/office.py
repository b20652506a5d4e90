"""Word, PowerPoint, Excel, HTML and e-mail as Markdown."""

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.decode import decode
from carrel.ingestion.parse.library import run
from carrel.ingestion.parse.media_types import EML, HTML, PPTX, XLSX
from carrel.ingestion.parse.table import rows_as_lines

if TYPE_CHECKING:
    from xberg import ExtractedDocument

_HEAD = 65_536
# The encodings of the web; Python knows others by name, which are none of text.
_CHARSET = re.compile(
    rb"<meta[^>]{1,200}?charset\s*=\s*[\"']?"
    rb"((?:windows|iso|koi8|shift|euc|gb|big5|mac|utf)[\w-]{0,20})",
    re.IGNORECASE,
)
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,1000})</title", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"^\*\*Message-ID\*\*: .*\n+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Extracted:
    """Text in parts, which are pages if `paged`; and the document's title if it has one."""

    parts: list[str]
    title: str | None
    paged: bool = False


def extract(data: bytes, media_type: str, caps: Caps) -> Extracted:
    """What a document of *media_type* says.

    Raises:
        ParseFailed: damaged, encrypted, or past one of the library's own limits.
    """
    if media_type == HTML:
        page = _html_text(data)
        title = _TITLE.search(page[:_HEAD])
        document = run(page.encode("utf-8", "replace"), HTML, caps)
        return Extracted([document.content], html.unescape(title[1]) if title else None)
    document = run(data, media_type, caps)
    title = document.metadata.title
    if media_type == PPTX:
        return Extracted(_slides(document), title, paged=True)
    if media_type == XLSX:
        return Extracted([_sheets(document)], title)
    if media_type == EML:
        return Extracted([_message(document.content)], document.metadata.subject)
    return Extracted([document.content], title)


def _html_text(data: bytes) -> str:
    """The page decoded: as it declares itself to be, unless it is plainly UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        declared = _CHARSET.search(data[:_HEAD])
    if declared is None:
        return decode(data)
    try:
        return data.decode(declared[1].decode(), "replace")
    except LookupError:
        return decode(data)


def _slides(document: "ExtractedDocument") -> list[str]:
    """The text of each slide, with an empty one for each slide that has none."""
    slides: list[str] = []
    for page in document.pages or []:
        slides.extend([""] * (page.page_number - 1 - len(slides)))
        slides.append(page.content)
    return slides or [document.content]


def _sheets(document: "ExtractedDocument") -> str:
    excel = document.metadata.format.excel if document.metadata.format else None
    names = (excel.sheet_names if excel else None) or []
    parts: list[str] = []
    for table in document.tables:
        name = names[table.page_number - 1] if table.page_number <= len(names) else "Sheet"
        if lines := "\n".join(rows_as_lines(table.cells)):
            parts.append(f"## {name}\n\n{lines}")
    return "\n\n".join(parts)


def _message(content: str) -> str:
    """An e-mail without the header that only programs read, and with addresses as written."""
    return _MESSAGE_ID.sub("", content, 1).replace("\\<", "<").replace("\\>", ">")
