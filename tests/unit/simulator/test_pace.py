import asyncio
from typing import cast

import pytest
from bench.simulator.pace import Pacer


class Wire:
    """A transport that keeps what is written, and when."""

    def __init__(self) -> None:
        self.written: list[tuple[float, bytes]] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        self.written.append((asyncio.get_running_loop().time(), data))

    def is_closing(self) -> bool:
        return self.closing

    @property
    def transport(self) -> asyncio.WriteTransport:
        return cast("asyncio.WriteTransport", self)


def letters(count: int) -> list[bytes]:
    return [bytes([ord("a") + number]) for number in range(count)]


async def test_frames_leave_in_order_and_none_before_it_is_due() -> None:
    pacer, wire = Pacer(), Wire()
    start = asyncio.get_running_loop().time() + 0.01
    await pacer.play(wire.transport, letters(10), first_at=start, interval=0.003).finished
    sent = 0
    for moment, data in wire.written:
        sent += len(data)
        assert moment >= start + 0.003 * (sent - 1) - 1e-6
    assert b"".join(data for _, data in wire.written) == b"abcdefghij"


async def test_many_streams_play_at_once_from_one_timer() -> None:
    pacer, wires = Pacer(), [Wire() for _ in range(100)]
    now = asyncio.get_running_loop().time()
    playing = [
        pacer.play(wire.transport, letters(5), first_at=now + number / 1e5, interval=0.002)
        for number, wire in enumerate(wires)
    ]
    await asyncio.gather(*(playback.finished for playback in playing))
    assert {b"".join(data for _, data in wire.written) for wire in wires} == {b"abcde"}
    assert {playback.sent for playback in playing} == {5}


async def test_without_an_interval_everything_leaves_at_once() -> None:
    pacer, wire = Pacer(), Wire()
    await pacer.play(wire.transport, letters(5), first_at=0, interval=0).finished
    assert [data for _, data in wire.written] == [b"abcde"]


async def test_nothing_to_play_is_finished() -> None:
    assert Pacer().play(Wire().transport, [], first_at=1e12, interval=1).finished.done()


async def test_a_stream_that_begins_sooner_is_not_kept_waiting_by_a_later_one() -> None:
    pacer, late, soon = Pacer(), Wire(), Wire()
    waiting = pacer.play(late.transport, letters(1), first_at=1e12, interval=1)
    await pacer.play(soon.transport, letters(1), first_at=0, interval=1).finished
    assert not waiting.finished.done()
    pacer.stop()


async def test_a_closed_connection_ends_its_stream_and_no_other() -> None:
    pacer, gone, here = Pacer(), Wire(), Wire()
    now = asyncio.get_running_loop().time()
    gone.closing = True
    lost = pacer.play(gone.transport, letters(3), first_at=now, interval=0.001)
    await pacer.play(here.transport, letters(3), first_at=now, interval=0.001).finished
    with pytest.raises(asyncio.CancelledError):
        await lost.finished
    assert gone.written == []
