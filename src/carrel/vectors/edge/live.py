"""A shard that is being served: searches at any time, writes one after another.

A write is acknowledged once it is applied and in the log; one that changes what
is visible, once the log is on the disk. The shard can be replaced under its
users, by a copy to which every write since the copying has been applied.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field

from carrel.vectors.edge import wire
from carrel.vectors.edge.shard import Shard

# Beyond this a replay would hold up writers for seconds: some 20,000 points.
JOURNAL_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class Journal:
    """The writes since a copy of the shard was made, in order; given up when they are too many."""

    limit_bytes: int = JOURNAL_BYTES
    requests: list[wire.Write] = field(default_factory=list[wire.Write])
    size_bytes: int = 0

    @property
    def overflowed(self) -> bool:
        return self.size_bytes > self.limit_bytes

    def add(self, request: wire.Write, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        if self.overflowed:
            self.requests.clear()
        else:
            self.requests.append(request)


class LiveShard:
    """The shard that answers, and the turn of its writers."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.last_write_at = time.monotonic()
        self.closed = False
        self._turn = asyncio.Lock()
        self._users = 0
        self._journal: Journal | None = None

    @property
    def idle(self) -> bool:
        """Whether it may be closed: nobody writes, waits to write, or makes a copy."""
        return self._users == 0

    @contextlib.contextmanager
    def in_use(self) -> Generator[None]:
        """Whoever holds on to the shard across an `await` says so."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1

    async def write(self, request: wire.Write, size_bytes: int) -> bool:
        """Carry *request* out; *size_bytes* is what it took on the wire.

        False when the shard was closed before the request's turn came.
        """
        with self.in_use():
            return await self._write(request, size_bytes)

    async def _write(self, request: wire.Write, size_bytes: int) -> bool:
        async with self._turn:
            if self.closed:
                return False
            await _apply(self.shard, request)
            if self._journal is not None:
                self._journal.add(request, size_bytes)
            self.last_write_at = time.monotonic()
            # Points that are only staged are staged again if a power cut takes them.
            log = [] if isinstance(request, wire.Stage) else self.shard.log_files()
        if log:
            await asyncio.to_thread(_sync, log)
        return True

    @contextlib.asynccontextmanager
    async def writes_paused(self) -> AsyncGenerator[None]:
        """Let writers wait, and searches go on."""
        async with self._turn:
            yield

    def start_journal(self, limit_bytes: int = JOURNAL_BYTES) -> Journal:
        """Note every write from now on. Call it while writes are paused."""
        self._journal = Journal(limit_bytes)
        return self._journal

    def stop_journal(self) -> None:
        self._journal = None

    async def catch_up(self, shard: Shard, journal: Journal) -> None:
        """Apply the noted writes to *shard*. Call it while writes are paused."""
        for request in journal.requests:
            await _apply(shard, request)

    def replace(self, shard: Shard) -> Shard:
        """Serve *shard* from now on; gives the one before, still open."""
        before, self.shard = self.shard, shard
        return before

    def close(self, *, keep: bool = True) -> None:
        """Bring everything to the disk, if it is to be kept, and end.

        Call it while writes are paused, or nobody uses the shard.
        """
        self.closed = True
        try:
            if keep and self.shard.is_written:
                self.shard.flush()
        finally:
            self.shard.close()  # what could not be flushed is in the log


async def let_searches_in() -> None:
    """Answer what has arrived meanwhile, before the next step that holds everything up."""
    # Turns of the loop: it sees a socket, reads it and wakes the task, and the task answers.
    for _ in range(3):
        await asyncio.sleep(0)


async def _apply(shard: Shard, request: wire.Write) -> None:
    for _ in shard.write(request):
        await let_searches_in()


def _sync(descriptors: list[int]) -> None:
    try:
        for descriptor in descriptors:
            os.fsync(descriptor)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
