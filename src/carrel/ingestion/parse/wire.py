"""What a parser process and its parent say to each other.

A message is four bytes of length, most significant first, then MessagePack. The parent
sends `Caps` once, then tasks; the process answers `Ready` once, then each task. Chunks travel
as offsets: the parent cuts their text out itself, so offset and text cannot disagree.
"""

import struct

import msgspec

HEADER = struct.Struct(">I")


class Task(msgspec.Struct, frozen=True):
    """A file to be read."""

    path: str
    media_type: str


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The limits are in force, and the process waits for tasks."""


class Span(msgspec.Struct, frozen=True, array_like=True):
    """A chunk: `text[start:end]`, the index of its heading in `Parsed.headings`, and its page."""

    start: int
    end: int
    heading: int
    page: int | None


class Parsed(msgspec.Struct, frozen=True, tag="parsed"):
    """A document that was read; `resident_bytes` is the process's memory after it.

    `chunk_seconds` is for how long it was cut, after it was read.
    """

    text: str
    page_starts: tuple[int, ...]
    title: str | None
    headings: list[str]
    spans: list[Span]
    resident_bytes: int
    chunk_seconds: float


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A document that cannot be read, and why."""

    reason: str


Reply = Ready | Parsed | Failed


def frame(message: msgspec.Struct) -> bytes:
    """*message*, ready to be written."""
    body = msgspec.msgpack.encode(message)
    return HEADER.pack(len(body)) + body
