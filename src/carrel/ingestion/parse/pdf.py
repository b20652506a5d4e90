"""PDF documents as Markdown, page by page."""

import re

from carrel.ingestion.parse.failure import ParseFailed

_HEADER_WITHIN = 1024  # bytes: PDF Reference 1.7, implementation note 13
# What the reader writes for a page on which it finds no text, such as a scan.
_EMPTY_BLOCK = re.compile(r"```\w*\n\s*```")


def pdf_pages(data: bytes) -> list[str]:
    """The text of each page, as Markdown; empty for a page without text.

    Raises:
        ParseFailed: encrypted, damaged, or without pages.
    """
    # Given bytes of another format, the reader would try to make a PDF document of them.
    if b"%PDF-" not in data[:_HEADER_WITHIN]:
        raise ParseFailed("the file is not a PDF document")
    from liteparse.parser import LiteParse
    from liteparse.types import ParseError

    reader = LiteParse(ocr_enabled=False, output_format="markdown", quiet=True)
    try:
        result = reader.parse(data)
    except ParseError as error:
        raise ParseFailed(_reason(str(error))) from error
    if not result.pages:
        raise ParseFailed("the PDF document has no pages")
    return [_EMPTY_BLOCK.sub("", page.markdown or "") for page in result.pages]


def _reason(message: str) -> str:
    if "password" in message:
        return "the PDF document is encrypted: it opens only with a password"
    return "the PDF document is damaged or cut short"
