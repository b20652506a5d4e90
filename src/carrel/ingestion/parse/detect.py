"""Telling what a file is: by its first bytes, then its name, then what the client declared.

Bytes outrank the name, and the name outranks the declaration: browsers declare
a CSV file to be Excel, and people rename what an upload form refuses.
"""

import re
from pathlib import PurePath

from carrel.domain.errors import UnsupportedMediaType
from carrel.ingestion.parse.media_types import (
    BY_ALIAS,
    BY_EXTENSION,
    CONTAINER_PARTS,
    FORMATS,
    HTML,
    PDF,
    TEXT,
    ZIP,
    container_kind,
)

HEAD_BYTES = 65_536  # as much of a file as `detect` makes use of
_LOCAL_HEADER = re.compile(rb"PK\x03\x04.{22}(.)(.)", re.DOTALL)
_HTML = re.compile(rb"\s*<(?:!doctype html|html)\b", re.IGNORECASE)
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
_OTHERS = {
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"II*\0": "a TIFF image",
    b"MM\0*": "a TIFF image",
    b"RIFF": "an image, a sound or a video",
    b"{\\rtf": "a Rich Text document",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"\xd0\xcf\x11\xe0": "protected by a password, or of an Office from before 2007",
}


def detect(filename: str | None, declared: str | None, head: bytes) -> str:
    """The media type of a file whose first bytes (`HEAD_BYTES`, or all there are) are *head*.

    Raises:
        UnsupportedMediaType: none that Carrel reads, or not what its name says.
            The message says what the file is, as far as can be told, and what is supported.
    """
    extension = PurePath(filename or "").suffix.lower()
    stated = BY_ALIAS.get((declared or "").partition(";")[0].strip().lower())
    expected = BY_EXTENSION.get(extension) or stated
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"%PDF-"):
        return PDF
    if head.startswith(b"PK\x03\x04"):
        return _container(expected, head)
    if other := _recognised(head):
        raise _refusal(f"the file is {other}")
    if expected is None and not extension:
        expected = HTML if _HTML.match(head) else TEXT
    if expected is None:
        raise _refusal(f"files that end in {extension[:20]!r} are not supported")
    if head and (expected in (PDF, ZIP) or expected in CONTAINER_PARTS):
        raise _refusal(f"the file goes by the name of {FORMATS[expected].name}, but it is none")
    return expected


def _container(expected: str | None, head: bytes) -> str:
    # The directory of a ZIP archive is at its end. The names seen so far nearly always settle
    # the kind; where they don't, the name of the file does, and the parser looks again.
    names: list[str] = []
    for header in _LOCAL_HEADER.finditer(head):
        length = header[1][0] | header[2][0] << 8
        start = header.end() + 2
        names.append(head[start : start + length].decode("utf-8", "replace"))
    return container_kind(names) or (expected if expected in CONTAINER_PARTS else None) or ZIP


def _recognised(head: bytes) -> str | None:
    """What a file is that is not text; None for text."""
    binary = b"\0" in head and not head.startswith(_BYTE_ORDER_MARKS)
    for mark, name in _OTHERS.items():
        # A text may begin with "MZ" or "RIFF"; none holds a zero byte.
        if head.startswith(mark) and (binary or not mark.isascii() or mark == b"{\\rtf"):
            return name
    return "a binary file of an unknown kind" if binary else None


def _refusal(what: str) -> UnsupportedMediaType:
    known = ", ".join(f"{known.name} ({known.extensions[0]})" for known in FORMATS.values())
    return UnsupportedMediaType(f"{what}; supported are: {known}", param="file")
