"""Reads streamed answers, one after the other on each connection: `python -m bench.peers.drive`.

Orders come as JSON on standard input, and what was found goes to standard output. As little as
possible is done with what is read, so that the server is what is measured.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, cast

import uvloop

_FIRST = re.compile(rb'"(?:content|text)":\s*"[^"]')
_LAST = b"\r\n0\r\n\r\n"  # of chunks; a header may end in a nought, too
PATIENCE_SECONDS = 15.0


@dataclass
class Reader(asyncio.Protocol):
    """One connection: the next question goes out when the answer to the last one is whole."""

    requests: "cycle[bytes]"
    until: float
    first: list[float] = field(default_factory=list[float])
    total: list[float] = field(default_factory=list[float])
    faults: list[str] = field(default_factory=list[str])
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-300:] if len(data) < 300 else data[-300:]
        if not self._seen:
            self._head += data
            if _FIRST.search(self._head):
                self._seen = time.perf_counter()
        if data.endswith(_LAST) or self._tail.endswith(_LAST):
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.is_set() and not self._transport.is_closing():
            self.faults.append("cut")
        self.done.set()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        if self._began >= self.until:
            self.done.set()
            self._transport.close()
            return
        self._tail, self._head, self._seen = b"", b"", 0.0
        self._transport.write(next(self.requests))

    def _end(self) -> None:
        if not self._head.startswith(b"HTTP/1.1 200") or b"[DONE]" not in self._tail:
            self.faults.append((self._head[:200] + b" ... " + self._tail).decode(errors="replace"))
        elif self._seen:
            self.first.append(self._seen - self._began)
            self.total.append(time.perf_counter() - self._began)
        else:
            self.faults.append(f"an answer without a token: {self._tail.decode(errors='replace')}")
        self._ask()


async def drive(orders: dict[str, Any]) -> dict[str, Any]:
    """Seconds to the first token and to the end of each answer; what were no answers."""
    loop = asyncio.get_running_loop()
    requests = cycle([each.encode() for each in orders["requests"]])
    began = time.perf_counter()
    until = began + orders["seconds"]
    readers = [Reader(requests, until) for _ in range(orders["clients"])]
    for reader in readers:
        await loop.create_connection(lambda it=reader: it, "127.0.0.1", orders["port"])
    # What began in time is read to its end, within reason.
    waiting = [asyncio.ensure_future(reader.done.wait()) for reader in readers]
    _, late = await asyncio.wait(waiting, timeout=orders["seconds"] + PATIENCE_SECONDS)
    return {
        "seconds": time.perf_counter() - began,
        "unfinished": len(late),
        "first": [each for reader in readers for each in reader.first],
        "total": [each for reader in readers for each in reader.total],
        "faults": [each for reader in readers for each in reader.faults],
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(drive(json.load(sys.stdin)))))
