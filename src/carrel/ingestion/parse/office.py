"""Word, PowerPoint, Excel, HTML and e-mail as Markdown, through one library.

It is given bytes, never a name: a name could be a URL, and it would be fetched.
"""

import asyncio
import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.decode import decode
from carrel.ingestion.parse.failure import ParseFailed
from carrel.ingestion.parse.media_types import EML, FORMATS, HTML, PPTX, TEXT, XLSX
from carrel.ingestion.parse.table import rows_as_lines

if TYPE_CHECKING:
    from xberg import ExtractedDocument

_TABLE_CELLS = 5_000_000
# Text nested deeper is left out. By itself the library stops at 65, which real pages reach;
# at 2000 its stack overflows.
_HTML_DEPTH = 400
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
        document = _run(page.encode("utf-8", "replace"), HTML, caps)
        return Extracted([document.content], html.unescape(title[1]) if title else None)
    document = _run(data, media_type, caps)
    title = document.metadata.title
    if media_type == PPTX:
        return Extracted(_slides(document), title, paged=True)
    if media_type == XLSX:
        return Extracted([_sheets(document)], title)
    if media_type == EML:
        return Extracted([_message(document.content)], document.metadata.subject)
    return Extracted([document.content], title)


def legacy_text(data: bytes) -> str:
    """Text in an encoding from before Unicode, guessed from its statistics."""
    return _run(data, TEXT, Caps(), output="plain").content


def _run(
    data: bytes, media_type: str, caps: Caps, output: Literal["plain", "markdown"] = "markdown"
) -> "ExtractedDocument":
    import xberg

    config = xberg.ExtractionConfig(
        use_cache=False,
        disable_ocr=True,
        enable_quality_processing=False,
        output_format=output,
        escape_markdown=False,
        # Attachments of an e-mail are named in its text; each can be uploaded by itself.
        max_archive_depth=0,
        html_options=xberg.ConversionOptions(
            compact_tables=True, extract_metadata=False, max_depth=_HTML_DEPTH
        ),
        security_limits=xberg.SecurityLimits(
            max_archive_size=caps.unpacked_bytes,
            max_content_size=caps.unpacked_bytes,
            max_compression_ratio=caps.compression_ratio,
            max_table_cells=_TABLE_CELLS,
        ),
    )
    source = xberg.ExtractInput(kind="bytes", bytes=data, mime_type=media_type)
    name = FORMATS[media_type].name
    try:
        result = asyncio.run(xberg.extract(source, config))
    except RuntimeError as error:  # the library has no finer type
        raise ParseFailed(_reason(name, str(error))) from error
    if not result.results:
        raise ParseFailed(f"the {name} cannot be read")
    return result.results[0]


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


def _reason(name: str, message: str) -> str:
    if "password" in message.lower() or "encrypted" in message.lower():
        return f"the {name} is encrypted"
    if "limit" in message.lower() or "bomb" in message.lower():
        return f"the {name} is too large once unpacked"
    return f"the {name} is damaged or cut short"
