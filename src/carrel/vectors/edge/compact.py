"""Compaction: an optimised copy of a shard takes its place, while searches go on.

A child process copies the shard (writes wait for the copy) and optimises the
copy, while the shard serves on and its writes are noted. Then the copy is
opened, the noted writes are applied to it, and CURRENT names it. Until that
moment the old shard is complete, and from it on the new one.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from pathlib import Path

from carrel.vectors.edge.folder import Folder
from carrel.vectors.edge.layout import ShardLayout
from carrel.vectors.edge.live import JOURNAL_BYTES, Journal, LiveShard, let_searches_in
from carrel.vectors.edge.optimise import OWN, SHARED
from carrel.vectors.edge.shard import Shard

log = logging.getLogger(__name__)

CHECK_SECONDS = 30.0
# A bulk load is compacted once, when it is over, not in its midst.
QUIET_SECONDS = 20.0
RETRY_SECONDS = 600.0

# The engine's own vacuum starts at a fifth of a segment.
DEAD_SHARE = 0.2
DEAD_POINTS = 5_000

# Without a graph a tenant's points are compared one by one, at 0.13 µs each: under 10,000 that is
# as fast as a graph, so only larger tenants gain (100,000 points: 21 ms before).
UNINDEXED_POINTS = 20_000
UNINDEXED_SHARE = 0.1
LARGE_TENANT_POINTS = 10_000
# From here on small tenants gain, too (100 chunks among 1,000,000, hybrid: 0.99 to 0.38 ms).
MANY_POINTS = 100_000


class Compaction:
    """Compacts one shard: when enough has changed, or when asked to.

    Of all those that share *turn* one runs at a time.
    """

    def __init__(
        self,
        live: LiveShard,
        folder: Folder,
        layout: ShardLayout,
        turn: asyncio.Lock,
        *,
        journal_bytes: int = JOURNAL_BYTES,
    ) -> None:
        self._live = live
        self._folder = folder
        self._layout = layout
        self._journal_bytes = journal_bytes
        self._turn = turn
        self._running = asyncio.Lock()
        self._run: asyncio.Task[bool] | None = None
        self._left_unindexed = 0
        self._not_before = 0.0

    async def run_if_due(self) -> None:
        """Compact if it would pay, and nobody has written for a while."""
        now = time.monotonic()
        quiet_seconds = now - self._live.last_write_at
        if self._live.closed or quiet_seconds < QUIET_SECONDS or now < self._not_before:
            return
        try:
            if self.due() and not await self.run():
                self._not_before = time.monotonic() + RETRY_SECONDS
        except Exception:  # the library raises nothing narrower, and the next try may do
            log.exception("compaction failed; the shard serves on as it is")
            self._not_before = time.monotonic() + RETRY_SECONDS

    def due(self) -> bool:
        """Whether a run would pay."""
        shard = self._live.shard
        size = shard.describe()
        if size.dead >= max(DEAD_POINTS, DEAD_SHARE * (size.points + size.dead)):
            return True
        grown = size.unindexed - self._left_unindexed
        return grown >= max(UNINDEXED_POINTS, UNINDEXED_SHARE * size.points) and (
            grown >= MANY_POINTS or shard.largest_tenant() >= LARGE_TENANT_POINTS
        )

    async def run(self) -> bool:
        """Replace the shard by an optimised copy.

        False when it was not done: too many writes meanwhile, too little room, the child died, or
        the shard was to be closed.
        """
        with self._live.in_use():
            async with self._turn, self._running:
                if self._live.closed:
                    return False
                self._run = asyncio.create_task(self._replace())
                try:
                    return await self._run
                except asyncio.CancelledError:
                    caller = asyncio.current_task()
                    if caller is not None and caller.cancelling():
                        raise
                    return False  # it was `halted`
                finally:
                    self._run = None

    @contextlib.asynccontextmanager
    async def halted(self) -> AsyncGenerator[None]:
        """End a run that goes on, and let none begin."""
        if self._run is not None:
            self._run.cancel()
        async with self._running:
            yield

    async def _replace(self) -> bool:
        if self._folder.free_bytes() < 2 * await asyncio.to_thread(self._size_bytes):
            log.warning("too little room on the disk to compact %s", self._folder.path)
            return False
        partial = self._folder.new_partial()
        try:
            journal = await self._optimised_copy(partial)
            if journal is None:
                return False
            await self._take_over(self._folder.complete(partial), journal)
        finally:
            self._live.stop_journal()
            await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)
        self._left_unindexed = self._live.shard.describe().unindexed
        return True

    async def _optimised_copy(self, partial: Path) -> Journal | None:
        """Have the copy made; the writes since, or None when it came to nothing."""
        async with self._live.writes_paused():
            shard = self._live.shard
            shard.flush()
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "carrel.vectors.edge.optimise"),
                *(str(shard.directory), str(partial), str(os.getpid())),
                *(str(self._layout.dimensions), OWN if self._layout.own else SHARED),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                assert child.stdout is not None
                copied = await child.stdout.readline()
            except asyncio.CancelledError:
                await _kill(child)
                raise
            journal = self._live.start_journal(self._journal_bytes)
        try:
            status = await child.wait()
        except asyncio.CancelledError:
            await _kill(child)
            raise
        if not copied or status != 0:
            log.error("the optimising process ended with status %d", status)
            return None
        if journal.overflowed:
            log.warning("too many writes to compact the shard now")
            return None
        return journal

    async def _take_over(self, directory: Path, journal: Journal) -> None:
        """Serve the copy in *directory*; to open it takes longest, 0.2 s for 60,000 points."""
        async with self._live.writes_paused():
            fresh = Shard(directory, self._layout)
            try:
                await let_searches_in()
                await self._live.catch_up(fresh, journal)
                fresh.flush()
                await let_searches_in()
                self._folder.switch_to(directory)  # fails as a whole, or not at all
            except BaseException:
                fresh.close()
                shutil.rmtree(directory, ignore_errors=True)
                raise
            before = self._live.replace(fresh)
            await let_searches_in()
            before.close()
        with contextlib.suppress(OSError):  # what stays is removed at the next start
            await asyncio.to_thread(shutil.rmtree, before.directory)

    def _size_bytes(self) -> int:
        files = self._live.shard.directory.rglob("*")
        return sum(file.stat().st_blocks * 512 for file in files)


async def watch(open_now: Callable[[], Iterable[Compaction]]) -> None:
    """Compact whatever is due of what is open, for ever; what is closed stays closed."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        for compaction in [*open_now()]:
            await compaction.run_if_due()
            await let_searches_in()


async def _kill(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.wait()
