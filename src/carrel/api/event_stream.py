"""Server-sent events (WHATWG HTML, section 9.2); a reader that leaves stops the work."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from carrel.api.errors import describe
from carrel.api.leaving import is_cut, stopping
from carrel.telemetry import metrics

HEARTBEAT_SECONDS = 15.0
ADVICE = "read on with GET /v1/query/{id}/events and the header Last-Event-ID, or ask again"
HEADERS = [
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
    """Sends frames as they come, and a comment when none came for a while.

    A stream whose process has to go ends with an error. *error* makes the frame of an error's
    body, where it is not to be an event named `error`; *answer_id* is named in a header.
    """

    def __init__(
        self,
        frames: AsyncGenerator[bytes],
        error: Callable[[dict[str, Any]], bytes] | None = None,
        *,
        answer_id: str | None = None,
    ) -> None:
        super().__init__()
        self._frames = frames
        self._error = error or _error
        self._named = [(b"x-answer-id", answer_id.encode())] if answer_id else []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [*HEADERS, *self._named]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sender = _Sender(send)
        writing = asyncio.ensure_future(sender.write(self._frames))
        heartbeat = asyncio.ensure_future(sender.beat())
        leaving = asyncio.ensure_future(until_disconnect(receive))
        with metrics.streams_in_flight.track_inprogress():
            try:
                await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                if not is_cut(scope):
                    raise
            finally:
                for task in (writing, heartbeat, leaving):
                    if not task.done():
                        task.cancel()
                await asyncio.gather(writing, heartbeat, leaving, return_exceptions=True)
        if not writing.cancelled():
            if error := writing.exception():
                raise error
        elif is_cut(scope) and leaving.cancelled():
            body = describe(stopping(ADVICE), Request(scope))
            await sender.end(self._error(body))


def _error(body: dict[str, Any]) -> bytes:
    return frame(orjson.dumps(body), event="error")


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
        await self.end()

    async def end(self, data: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": data})

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


async def until_disconnect(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
