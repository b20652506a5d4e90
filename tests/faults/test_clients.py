"""A client reads slowly, or leaves: nobody else waits for it, and what it read is whole."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bench.simulator.behaviour import Behaviour
from tests.faults.stage import QUESTION, Stage, stage

# More than what the kernel keeps for both ends of a connection.
LONG = Behaviour(ttft_ms=5, tokens_per_second=0, tokens=8_000)
LEAVERS = 20


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as house:
        yield house


def asking(house: Stage) -> socket.socket:
    """A connection on which a question was asked, and that is not read."""
    body = json.dumps({"question": QUESTION, "stream": True, "max_tokens": 8_000})
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", house.server.port))
    connection.sendall(
        f"POST /v1/query HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {house.tenant.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"connection: close\r\n\r\n{body}".encode()
    )
    return connection


async def test_nobody_waits_for_a_slow_reader_and_it_misses_nothing(house: Stage):
    house.model.behaviour = LONG
    slow = asking(house)
    await house.model.stats.until(lambda stats: stats.completed == 1)
    # The same answer, and another: both come to their end while the first reader sleeps.
    same = await house.stream(cache="use", max_tokens=8_000)
    assert same.last == "done"
    assert (await house.stream("What of refunds?", max_tokens=8_000)).last == "done"

    def read() -> bytes:
        with slow, slow.makefile("rb") as file:
            return file.read()

    body = await asyncio.to_thread(read)
    assert body.count(b"event: done\n") == 1
    texts = [json.loads(line[6:])["text"] for line in body.split(b"\n") if b'{"text":' in line[:16]]
    assert "".join(texts) == same.events[-1][1]["answer"]


async def test_readers_who_leave_cancel_what_nobody_else_reads(house: Stage):
    house.model.behaviour = Behaviour(ttft_ms=5, tokens_per_second=20, tokens=2_000)
    connections = [asking(house) for _ in range(LEAVERS)]
    async with house.streaming(cache="use", max_tokens=8_000) as stays:
        for connection in connections:
            connection.close()
        assert house.model.stats.cancelled_by_client == 0, "someone follows it still"
        assert house.model.stats.requests == 1
        stays.response.close()
        await house.model.stats.until(lambda stats: stats.cancelled_by_client == 1)
    assert house.model.stats.completion_tokens < 2_000
