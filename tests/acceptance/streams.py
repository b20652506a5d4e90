"""Streams of answers, read event by event, and read on."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from tests.acceptance.server import Client


@dataclass
class Received:
    """What a client has of an answer, across the streams that it took to get it."""

    text: str = ""
    answer_id: str = ""
    last_event_id: str = ""
    restarts: int = 0
    names: list[str] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    done: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    def take(self, number: str, name: str, data: Any) -> None:
        self.names.append(name)
        self.ids.append(int(number))
        self.last_event_id = number
        if name == "sources":
            self.answer_id = data["id"]
        elif name == "delta":
            self.text += data["text"]
        elif name == "restart":
            self.text = ""
            self.restarts += 1
        elif name == "done":
            self.done = data
        elif name == "error":
            self.error = data


class Stream:
    """One stream, open until the block's end."""

    def __init__(self, client: Client, response: aiohttp.ClientResponse) -> None:
        self.client = client
        self.response = response

    @classmethod
    async def ask(cls, client: Client, question: str, **body: Any) -> Self:
        body = {"question": question, "stream": True, **body}
        return cls(client, await _send(client, "POST", "/v1/query", json=body))

    @classmethod
    async def resume(cls, client: Client, answer_id: str, last_event_id: str = "") -> Self:
        headers = {"last-event-id": last_event_id} if last_event_id else {}
        path = f"/v1/query/{answer_id}/events"
        return cls(client, await _send(client, "GET", path, headers=headers))

    async def read(self, received: Received, *, deltas: int = 10**9) -> Received:
        """Take events until the end, or until so many deltas came."""
        async for number, name, data in self._events():
            received.take(number, name, data)
            deltas -= name == "delta"
            if deltas == 0:
                break
        return received

    def close(self) -> None:
        self.response.close()

    async def _events(self) -> AsyncIterator[tuple[str, str, Any]]:
        assert self.response.status == 200, await self.response.text()
        while True:
            try:
                block = await self.response.content.readuntil(b"\n\n")
            except aiohttp.ClientError:
                return
            if not block:
                return
            if block.startswith(b":"):
                continue
            fields = dict(line.split(": ", 1) for line in block.decode().strip().split("\n"))
            yield fields["id"], fields["event"], json.loads(fields["data"])


def close_all() -> None:
    """Close what a test has left open, above all one that failed."""
    while _responses:
        _responses.pop().close()


_responses: list[aiohttp.ClientResponse] = []


async def _send(
    client: Client, method: str, path: str, headers: dict[str, str] | None = None, **content: Any
) -> aiohttp.ClientResponse:
    sent = {"authorization": f"Bearer {client.key}", **(headers or {})}
    response = await client.session.request(method, client.url + path, headers=sent, **content)
    _responses.append(response)
    if response.status != 200:
        await response.read()
    return response
