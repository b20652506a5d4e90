"""Server-sent events (WHATWG HTML, section 9.2); a reader that leaves stops the work."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from carrel.api.errors import error_body
from carrel.telemetry import metrics

HEARTBEAT_SECONDS = 15.0
FAREWELL_SECONDS = 1.0  # for a client that does not read
CLOSING = "the server is shutting down: go on with another"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]

_open: dict["EventStream", None] = {}


def frame(data: bytes, *, event: str | None = None, number: int | None = None) -> bytes:
    """One event; *data* is a single line."""
    head = b"" if number is None else b"id: %d\n" % number
    if event is not None:
        head += b"event: " + event.encode() + b"\n"
    return head + b"data: " + data + b"\n\n"


class EventStream(Response):
    """Sends frames as they come, and a comment when none came for a while.

    *error* makes the frame of an error's body, where it is not to be an event named `error`;
    *answer_id* is named in a header.
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
        self._interrupted = asyncio.Event()

    def interrupt(self) -> None:
        """End the stream now, with an error that says that it can be gone on with elsewhere."""
        self._interrupted.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [*HEADERS, *self._named]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sender = _Sender(send)
        writing = asyncio.ensure_future(sender.write(self._frames))
        heartbeat = asyncio.ensure_future(sender.beat())
        leaving = asyncio.ensure_future(until_disconnect(receive))
        ending = asyncio.ensure_future(self._interrupted.wait())
        tasks = (writing, heartbeat, leaving, ending)
        with metrics.streams_in_flight.track_inprogress(), _listed(self):
            try:
                await asyncio.wait({writing, leaving, ending}, return_when=asyncio.FIRST_COMPLETED)
                interrupted = not (writing.done() or leaving.done())
            finally:
                for task in tasks:
                    task.cancel()  # which does nothing to those that are done
                await asyncio.gather(*tasks, return_exceptions=True)
            if interrupted:
                body = error_body("unavailable", CLOSING, None, scope["state"]["request_id"])
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FAREWELL_SECONDS):
                        await sender.end(self._error(body))
        if not writing.cancelled() and (error := writing.exception()):
            raise error


def interrupt_all() -> int:
    """End every stream of this process that is under way; how many there were.

    For a server that may wait no longer: each says how it is resumed on another.
    """
    streams = [*_open]
    for stream in streams:
        stream.interrupt()
    return len(streams)


def _error(body: dict[str, Any]) -> bytes:
    return frame(orjson.dumps(body), event="error")


@contextmanager
def _listed(stream: EventStream) -> Generator[None]:
    _open[stream] = None
    try:
        yield
    finally:
        del _open[stream]


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
