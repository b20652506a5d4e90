"""Tokens at a steady pace for hundreds of streams, from one timer.

A stream is not a task that sleeps: it is an entry in a heap, by the time at
which its next token is due. What is due is written straight to the sockets,
already encoded, and the streams' handlers wake only at the end.
"""

import asyncio
import heapq
from collections.abc import Sequence
from itertools import count
from math import inf

TICK_SECONDS = 0.001  # tokens that are due within a tick leave together


class Playback:
    """One stream: `frames` of which `sent` have left; `finished` when all have."""

    __slots__ = ("due", "finished", "frames", "interval", "sent", "transport")

    def __init__(
        self, transport: asyncio.WriteTransport, frames: Sequence[bytes], interval: float
    ) -> None:
        self.transport = transport
        self.frames = frames
        self.interval = interval
        self.sent = 0
        self.due = 0.0
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Pacer:
    """Plays any number of streams."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Playback]] = []
        self._order = count()
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = inf

    def play(
        self,
        transport: asyncio.WriteTransport,
        frames: Sequence[bytes],
        *,
        first_at: float,
        interval: float,
    ) -> Playback:
        """Write *frames*, the first at *first_at* in the loop's time, the rest *interval* apart."""
        playback = Playback(transport, frames, interval)
        if not frames:
            playback.finished.set_result(None)
            return playback
        playback.due = first_at
        heapq.heappush(self._heap, (first_at, next(self._order), playback))
        if first_at < self._armed_for:
            self._schedule(first_at)
        return playback

    def stop(self) -> None:
        """Write no more."""
        if self._handle is not None:
            self._handle.cancel()

    def _schedule(self, moment: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_for = moment
        self._handle = self._loop.call_at(moment, self._tick)

    def _tick(self) -> None:
        self._handle, self._armed_for = None, inf
        now = self._loop.time()
        while self._heap and self._heap[0][0] <= now:
            _, _, playback = heapq.heappop(self._heap)
            if playback.finished.done():  # cancelled with its handler
                continue
            if playback.transport.is_closing():
                playback.finished.cancel()
            else:
                self._write_due(playback, now)
        if self._heap:
            self._schedule(max(self._heap[0][0], now + TICK_SECONDS))

    def _write_due(self, playback: Playback, now: float) -> None:
        first = last = playback.sent
        total = len(playback.frames)
        if playback.interval:
            while last < total and playback.due <= now:
                last += 1
                playback.due += playback.interval
        else:
            last = total
        playback.transport.write(b"".join(playback.frames[first:last]))
        playback.sent = last
        if last == total:
            playback.finished.set_result(None)
        else:
            heapq.heappush(self._heap, (playback.due, next(self._order), playback))
