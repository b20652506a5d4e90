"""Server-sent events (WHATWG HTML, section 9.2); a reader that leaves stops the work."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from carrel.telemetry import metrics

HEARTBEAT_SECONDS = 15.0
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


def frame(data: bytes, *, event: str | None = None, number: int | None = None) -> bytes:
    """One event; *data* is a single line."""
    head = b"" if number is None else b"id: %d\n" % number
    if event is not None:
        head += b"event: " + event.encode() + b"\n"
    return head + b"data: " + data + b"\n\n"


class EventStream(Response):
    """Sends frames as they come, and a comment when none came for a while."""

    def __init__(self, frames: AsyncGenerator[bytes]) -> None:
        super().__init__()
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        sender = _Sender(send)
        writing = asyncio.ensure_future(sender.write(self._frames))
        heartbeat = asyncio.ensure_future(sender.beat())
        leaving = asyncio.ensure_future(_until_disconnect(receive))
        with metrics.streams_in_flight.track_inprogress():
            try:
                await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (writing, heartbeat, leaving):
                    if not task.done():
                        task.cancel()
                await asyncio.gather(writing, heartbeat, leaving, return_exceptions=True)
        if not writing.cancelled() and (error := writing.exception()):
            raise error


class _Sender:
    def __init__(self, send: Send) -> None:
        self._send = send
        self._last = 0.0

    async def write(self, frames: AsyncGenerator[bytes]) -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.aclosing(frames):
            async for data in frames:
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
                self._last = loop.time()
        await self._send({"type": "http.response.body", "body": b""})

    async def beat(self) -> None:
        loop = asyncio.get_running_loop()
        self._last = loop.time()
        while True:
            await asyncio.sleep(max(0.01, self._last + HEARTBEAT_SECONDS - loop.time()))
            if loop.time() - self._last >= HEARTBEAT_SECONDS:
                await self._send(
                    {"type": "http.response.body", "body": b": still here\n\n", "more_body": True}
                )
                self._last = loop.time()


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
