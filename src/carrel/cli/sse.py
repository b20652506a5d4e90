"""Server-sent events out of a stream of bytes, as WHATWG's HTML standard (9.2.6) parses them.

Comments (heartbeats) and events without data are dropped; an event that the
stream cuts off before its empty line is dropped, too.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its name (`message` where none is given), data and last id."""

    event: str
    data: bytes
    id: str = ""


async def events(stream: AsyncIterable[bytes]) -> AsyncGenerator[ServerSentEvent]:
    """The events of *stream*, each as soon as its empty line has arrived."""
    name, identifier, data = "", "", list[bytes]()
    async for line in _lines(stream):
        if not line:
            if data:
                yield ServerSentEvent(name or "message", b"\n".join(data), identifier)
            name, data = "", []
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode()
        elif field == b"id":
            identifier = value.decode()


async def _lines(stream: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    rest = b""
    async for piece in stream:
        rest += piece
        # A "\r" at the end may be half of "\r\n": it waits for the next piece.
        held = b"\r" if rest.endswith(b"\r") else b""
        lines = rest.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        rest = lines.pop() + held
        for line in lines:
            yield line
