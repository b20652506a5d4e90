"""Streams, driven by hand through ASGI."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from carrel.api import event_stream
from carrel.api.event_stream import EventStream, frame

SCOPE = {"type": "http", "state": {"request_id": "req_1"}}


class Connection:
    """A client that reads what it is sent, and may leave."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.left = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


async def run(frames: AsyncGenerator[bytes], connection: Connection) -> None:
    await EventStream(frames)(SCOPE, connection.receive, connection.send)


def test_a_frame_is_an_event_of_the_standard():
    assert frame(b"{}", event="delta", number=3) == b"id: 3\nevent: delta\ndata: {}\n\n"
    assert frame(b"[DONE]") == b"data: [DONE]\n\n"


async def test_frames_are_sent_as_they_come_and_the_body_ends():
    async def frames() -> AsyncGenerator[bytes]:
        yield b"a"
        yield b"b"

    connection = Connection()
    await run(frames(), connection)
    assert [message.get("body") for message in connection.sent] == [None, b"a", b"b", b""]
    assert not connection.sent[-1].get("more_body")


async def test_a_reader_that_leaves_stops_the_work():
    stopped = asyncio.Event()
    connection = Connection()

    async def frames() -> AsyncGenerator[bytes]:
        try:
            yield b"a"
            connection.left.set()
            await asyncio.Event().wait()
        finally:
            stopped.set()

    await asyncio.wait_for(run(frames(), connection), 5)
    assert stopped.is_set()
    assert connection.body == b"a"


async def test_silence_is_broken_by_a_comment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.01)
    connection = Connection()

    async def frames() -> AsyncGenerator[bytes]:
        while b": still here" not in connection.body:  # noqa: ASYNC110 - that is what it awaits
            await asyncio.sleep(0.005)
        yield b"at last"

    await asyncio.wait_for(run(frames(), connection), 5)
    assert connection.body.endswith(b"at last")


async def test_an_error_in_the_middle_is_raised():
    async def frames() -> AsyncGenerator[bytes]:
        yield b"a"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        await run(frames(), Connection())


async def test_a_client_that_reads_slowly_holds_one_frame_and_no_other_stream():
    read, connection, quick = asyncio.Event(), Connection(), Connection()
    made: list[int] = []

    async def frames() -> AsyncGenerator[bytes]:
        for n in range(100):
            made.append(n)
            yield b"x"

    async def slow(message: Any) -> None:
        if message.get("body"):
            await read.wait()
        await connection.send(message)

    slowly = asyncio.create_task(EventStream(frames())(SCOPE, connection.receive, slow))
    await asyncio.wait_for(run(frames(), quick), 5)
    assert quick.body == b"x" * 100
    assert (made.count(0), made.count(1), connection.body) == (2, 1, b"")
    read.set()
    await asyncio.wait_for(slowly, 5)
    assert connection.body == b"x" * 100
