"""Asks a server the same over and over: `python -m bench.caching.drive`, orders as JSON on stdin.

As little as possible is done between two requests, so that the server is what is measured.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import cast

import uvloop


@dataclass
class Client(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last one is whole."""

    request: bytes
    until: float
    seconds: list[float] = field(default_factory=list[float])
    faults: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    _buffer: bytearray = field(default_factory=bytearray)
    _began: float = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        low = bytes(self._buffer[:head]).lower()
        length = int(low.split(b"content-length:")[1].split(b"\r\n")[0])
        if len(self._buffer) < head + 4 + length:
            return
        self.faults += not low.startswith(b"http/1.1 200")
        self.seconds.append(time.perf_counter() - self._began)
        self._buffer.clear()
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        if self._began >= self.until:
            self._transport.close()
            return
        self._transport.write(self.request)


async def drive(orders: dict[str, object]) -> dict[str, object]:
    """The seconds that each answer took, and how many were none."""
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + float(str(orders["seconds"]))
    request = str(orders["request"]).encode()
    clients = [Client(request, until) for _ in range(int(str(orders["clients"])))]
    for client in clients:
        await loop.create_connection(lambda it=client: it, "127.0.0.1", int(str(orders["port"])))
    await asyncio.gather(*(client.done.wait() for client in clients))
    return {
        "seconds": [each for client in clients for each in client.seconds],
        "faults": sum(client.faults for client in clients),
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(drive(json.load(sys.stdin)))))
