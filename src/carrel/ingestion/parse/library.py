"""The one library behind all formats but PDF, and behind guesses at encodings.

It is given bytes, never a name: a name could be a URL, and it would be fetched.
"""

from typing import TYPE_CHECKING, Literal

from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.failure import ParseFailed
from carrel.ingestion.parse.media_types import FORMATS

if TYPE_CHECKING:
    from xberg import ExtractedDocument

_TABLE_CELLS = 5_000_000
# Text nested deeper is left out. By itself the library stops at 65, which real pages reach;
# at 2000 its stack overflows.
_HTML_DEPTH = 400


def run(
    data: bytes, media_type: str, caps: Caps, output: Literal["plain", "markdown"] = "markdown"
) -> "ExtractedDocument":
    """What the library makes of *data*.

    Raises:
        ParseFailed: damaged, encrypted, or past one of the library's own limits.
    """
    # Loaded here, as text, which is most of what comes, needs neither.
    import asyncio

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


def _reason(name: str, message: str) -> str:
    if "password" in message.lower() or "encrypted" in message.lower():
        return f"the {name} is encrypted"
    if "limit" in message.lower() or "bomb" in message.lower():
        return f"the {name} is too large once unpacked"
    return f"the {name} is damaged or cut short"
