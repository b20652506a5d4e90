"""Bytes to text, for files that do not say how they are encoded."""

import codecs

from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.failure import ParseFailed
from carrel.ingestion.parse.library import run
from carrel.ingestion.parse.media_types import TEXT

# UTF-32 before UTF-16, whose mark its own begins with.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BAD = "\ufffd"


def decode(data: bytes) -> str:
    """The text of *data*, with a line feed, alone, between lines.

    By byte order mark; else UTF-8, even with a few bytes damaged; else the encoding
    that the text's own statistics speak for. Bytes that fit none become U+FFFD.

    Raises:
        ParseFailed: not text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _lines(data.decode(encoding, "replace"))
    if b"\0" in data:
        raise ParseFailed("the file is not text: it contains zero bytes")
    try:
        return _lines(data.decode())
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    damaged = text.count(_BAD)
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    # Valid sequences of UTF-8 are not a coincidence: in a legacy encoding hardly any occurs.
    return _lines(text if damaged * 10 < foreign else _by_statistics(data))


def _by_statistics(data: bytes) -> str:
    return run(data, TEXT, Caps(), output="plain").content


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
