"""What a request is told whose process has no more time, driven by hand through ASGI."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from fastapi import FastAPI

from carrel.api.event_stream import EventStream, frame
from carrel.api.leaving import Leaving
from carrel.api.middleware import RequestContext


class Reader:
    """Reads what it is sent, and stays."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.left = asyncio.Event()

    async def receive(self) -> Any:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


@pytest.fixture
def scope() -> dict[str, Any]:
    app = FastAPI()
    app.state.leaving = Leaving()
    state = {"request_id": "req_1"}
    return {"type": "http", "app": app, "state": state, "method": "GET", "path": "/", "headers": []}


async def endless() -> AsyncGenerator[bytes]:
    yield frame(b"{}", event="delta", number=1)
    await asyncio.Event().wait()


async def cut(
    scope: dict[str, Any], reader: Reader, error: Callable[[Any], bytes] | None = None
) -> None:
    stream = EventStream(endless(), error)
    answering = asyncio.create_task(stream(scope, reader.receive, reader.send))
    async with asyncio.timeout(5):
        while not reader.body:  # noqa: ASYNC110 - of a reader that only keeps
            await asyncio.sleep(0)
    scope["app"].state.leaving.cut = True
    answering.cancel()
    await answering


async def test_a_stream_ends_with_an_error_that_has_no_number(scope: dict[str, Any]):
    reader = Reader()
    await cut(scope, reader)
    _, last, rest = reader.body.decode().split("\n\n")
    assert rest == ""
    assert last.startswith("event: error\ndata: ")
    assert "this server is stopping: read on with GET /v1/query/{id}/events" in last
    assert '"code":"unavailable"' in last
    assert not reader.sent[-1].get("more_body")


async def test_a_stream_of_another_interface_ends_in_its_own_way(scope: dict[str, Any]):
    reader = Reader()
    await cut(scope, reader, lambda body: body["error"]["code"].encode())
    assert reader.body.endswith(b"\n\nunavailable")


async def test_a_stream_that_is_cancelled_for_another_reason_says_nothing(scope: dict[str, Any]):
    reader = Reader()
    answering = asyncio.create_task(EventStream(endless())(scope, reader.receive, reader.send))
    async with asyncio.timeout(5):
        while not reader.body:  # noqa: ASYNC110 - of a reader that only keeps
            await asyncio.sleep(0)
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert b"error" not in reader.body


async def test_a_request_without_a_response_yet_gets_503(scope: dict[str, Any]):
    reached = asyncio.Event()

    async def app(*_: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    reader = Reader()
    context = RequestContext(app, max_body_bytes=100)
    answering = asyncio.create_task(context(scope, reader.receive, reader.send))
    await reached.wait()
    scope["app"].state.leaving.cut = True
    answering.cancel()
    await answering
    assert reader.sent[0]["status"] == 503
    assert (b"retry-after", b"1") in reader.sent[0]["headers"]
    assert b'"code":"unavailable"' in reader.body
