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
    container_kind,
)

HEAD_BYTES = 65_536  # as much of a file as `detect` makes use of
_LOCAL_HEADER = re.compile(rb"PK\x03\x04.{22}(.{2}).{2}", re.DOTALL)
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TEXT_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_OTHERS = {
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"II*\0": "a TIFF image",
    b"MM\0*": "a TIFF image",
    b"RIFF": "an image, sound or video",
    b"{\\rtf": "a Rich Text document",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
}


def detect(filename: str | None, declared: str | None, head: bytes) -> str:
    """The media type of a file whose first bytes (`HEAD_BYTES`, or all there are) are *head*.

    Raises:
        UnsupportedMediaType: none that Carrel reads, or not what its name says.
            The message says what the file is, as far as can be told, and what is supported.
    """
    extension = PurePath(filename or "").suffix.lower()
    named = BY_EXTENSION.get(extension)
    stated = BY_ALIAS.get((declared or "").partition(";")[0].strip().lower())
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"%PDF-"):
        return PDF
    if head.startswith(b"PK\x03\x04"):
        return _container(head, named or stated)
    if other := _recognised(head):
        raise _refusal(f"the file is {other}", filename)
    expected = named or (None if extension else stated) or (stated if stated else None)
    if expected is None and not extension and head:
        expected = HTML if re.match(rb"\s*<(?:!doctype html|html)\b", head, re.IGNORECASE) else TEXT
    if expected is None:
        raise _refusal(f"files named *{extension} are unknown" if extension else "unknown", filename)
    if head and (expected == PDF or expected in CONTAINER_PARTS):
        raise _refusal(f"the file is not a {FORMATS[expected].name}, whatever its name", filename)
    return expected


def supported() -> str:
    """The formats that Carrel reads, for a message."""
    return ", ".join(f"{known.name} ({known.extensions[0]})" for known in FORMATS.values())
