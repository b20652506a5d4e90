"""One streamed answer, read on by itself where a connection or a server is lost.

It is tried a few times after the last event that came; what was read is not asked for again.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp

from carrel.cli.connection import Connection, api_error, part
from carrel.cli.failure import ApiError, Failure, Unreachable
from carrel.cli.sse import ServerSentEvent, events
from carrel.cli.wire import Answer, Cut, Delta, ErrorBody, Sources

TRIES = 5
FIRST_PAUSE_SECONDS = 0.25  # and twice as long each time

# What was printed can't be taken back.
BEGINS_AGAIN = "\n\nA server was lost. The answer begins again:\n\n"

Part = Sources | Delta | Answer | Cut


class Streaming:
    """The answer to the question in *body*, over *connection*."""

    def __init__(self, connection: Connection, body: Mapping[str, Any]) -> None:
        self._connection = connection
        self._body = body
        self._answer_id = ""
        self._last_event_id = ""
        self._tries = 0
        self._goes_on = False  # after an error

    async def parts(self) -> AsyncGenerator[Part]:
        """The answer's parts as they come; a `Cut` wherever it was taken up again.

        Raises:
            ApiError: the server said no, perhaps half-way (status 200).
            Unreachable: the stream ended before the answer did, and can't be gone on with.
        """
        fault: Failure | None = None
        while True:
            try:
                async for each in self._read():
                    yield each
                    if isinstance(each, Answer):
                        return
                broken: Failure = self._broke_off()
            except Unreachable as error:
                broken = error
            except ApiError as error:
                if fault and error.status == 404:  # it can't be resumed
                    raise fault from None
                if not self._goes_on:
                    raise
                broken = error
            if not self._answer_id or self._tries >= TRIES:
                raise broken
            fault = broken
            yield Cut()
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**self._tries)
            self._tries += 1

    async def _read(self) -> AsyncGenerator[Part]:
        """One stream: of the question, or of the rest of its answer."""
        self._goes_on = False
        async with self._open() as response:
            self._answer_id = response.headers.get("x-answer-id", self._answer_id)
            async for event in events(response.content.iter_any()):
                self._last_event_id = event.id or self._last_event_id
                if found := self._part(event, response):
                    self._tries = 0
                    yield found

    def _open(self) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if not self._answer_id:
            return self._connection.open("POST", "/v1/query", json=self._body)
        headers = {"last-event-id": self._last_event_id} if self._last_event_id else None
        path = f"/v1/query/{part(self._answer_id)}/events"
        return self._connection.open("GET", path, headers=headers)

    def _part(self, event: ServerSentEvent, response: aiohttp.ClientResponse) -> Part | None:
        if event.event == "sources":
            return self._connection.decode(event.data, Sources)
        if event.event == "delta":
            return self._connection.decode(event.data, Delta)
        if event.event == "restart":
            return Delta(BEGINS_AGAIN)
        if event.event == "done":
            return self._connection.decode(event.data, Answer)
        if event.event == "error":
            self._goes_on = self._connection.decode(event.data, ErrorBody).resume is not None
            raise api_error(response, event.data)
        return None  # of a kind that a newer server knows

    def _broke_off(self) -> Unreachable:
        return Unreachable(
            f"The answer from {self._connection.url} broke off before its end. Ask again."
        )
