"""Connections, shared out over acceptors of one socket."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from carrel.serving.accept import AT_ONCE, LATE_SECONDS, Acceptor
from carrel.serving.balance import SLACK, Balance, new_table
from carrel.telemetry.loop import lateness

CONNECTIONS = 40


class Process:
    """An acceptor, the connections it took, and how many more it has."""

    def __init__(self, listening: socket.socket, table: int, place: int) -> None:
        self.taken: list[asyncio.BaseTransport] = []
        self.others = 0
        balance = Balance(table, place, lambda: len(self.taken) + self.others)
        process = self

        class Taken(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                process.taken.append(transport)

        self.acceptor = Acceptor(listening.dup(), Taken, balance)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen(CONNECTIONS)
        yield opened


@pytest.fixture
async def processes(listening: socket.socket) -> AsyncIterator[list[Process]]:
    table = new_table(2)
    made = [Process(listening, table, place) for place in (0, 1)]
    yield made
    for process in made:
        process.acceptor.close()
        await process.acceptor.wait_closed()
        for transport in process.taken:
            transport.abort()  # type: ignore[attr-defined]


async def connect(listening: socket.socket, number: int) -> list[asyncio.StreamWriter]:
    host, port = listening.getsockname()
    opened = await asyncio.gather(*(asyncio.open_connection(host, port) for _ in range(number)))
    return [writer for _, writer in opened]


async def until_taken(processes: list[Process], number: int) -> None:
    async with asyncio.timeout(10):
        while sum(len(process.taken) for process in processes) < number:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_a_burst_is_shared_out(listening: socket.socket, processes: list[Process]):
    writers = await connect(listening, CONNECTIONS)
    await until_taken(processes, CONNECTIONS)
    one, other = (len(process.taken) for process in processes)
    assert abs(one - other) <= SLACK + 1
    for writer in writers:
        writer.close()


async def test_who_has_most_leaves_the_next_to_others(
    listening: socket.socket, processes: list[Process]
):
    busy, idle = processes
    busy.others = 100
    writers = await connect(listening, CONNECTIONS)
    await until_taken(processes, CONNECTIONS)
    assert len(idle.taken) > len(busy.taken) * 2
    for writer in writers:
        writer.close()


def test_only_those_count_that_take_connections():
    table = new_table(3)
    here = Balance(table, 0, lambda: 10)
    assert here.excess() == 0
    there = Balance(table, 1, lambda: 1)
    assert here.excess() == 9 - SLACK
    there.withdraw()
    assert here.excess() == 0


async def test_a_process_that_takes_no_more_is_waited_for_by_nobody(
    listening: socket.socket, processes: list[Process]
):
    gone, left = processes
    gone.acceptor.close()
    writers = await connect(listening, CONNECTIONS)
    await until_taken(processes, CONNECTIONS)
    assert len(left.taken) == CONNECTIONS
    for writer in writers:
        writer.close()


@pytest.mark.parametrize(("late", "at_once"), [(0.0, 1), (LATE_SECONDS, AT_ONCE)])
async def test_a_loop_that_is_late_takes_several_at_once(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch, late: float, at_once: int
):
    monkeypatch.setattr(lateness, "seconds", late)
    process = Process(listening, new_table(1), 0)
    clients = [socket.create_connection(listening.getsockname()) for _ in range(CONNECTIONS)]
    process.acceptor._accept()  # as the event loop does in one of its turns
    assert len(process.acceptor._opening) == at_once
    await until_taken([process], CONNECTIONS)
    process.acceptor.close()
    await process.acceptor.wait_closed()
    for transport in process.taken:
        transport.abort()  # type: ignore[attr-defined]
    for client in clients:
        client.close()


async def test_one_that_is_stuck_keeps_no_connection_waiting(listening: socket.socket):
    table = new_table(2)
    Balance(table, 1, lambda: 0)  # and nobody takes anything there
    process = Process(listening, table, 0)
    writers = await connect(listening, CONNECTIONS)
    await until_taken([process], CONNECTIONS)
    process.acceptor.close()
    await process.acceptor.wait_closed()
    for transport in process.taken:
        transport.abort()  # type: ignore[attr-defined]
    for writer in writers:
        writer.close()
