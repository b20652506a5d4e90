"""A child of the supervisor: one process at a time, started again when it dies.

A child that was never ready is given up after a while: something is wrong that starting it
again does not change. One that has done its work before is started again for ever,
with pauses that grow.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from carrel.serving.lifeline import INVALID_SETTINGS
from carrel.serving.process import Process
from carrel.telemetry import joint

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 10.0
STOP_SECONDS = 15.0
START_SECONDS = 120.0
PATIENCE_SECONDS = 120.0
PATIENCE_STARTS = 6


class CannotRun(Exception):
    """Starting a child again would not help; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What a child is called and how it is started.

    *measured*: it has metrics, and keeps them with those of the others. *renewed*: by SIGHUP.
    *patience_seconds*: for how long it is tried to get it ready a first time.
    """

    name: str
    module: str
    arguments: Sequence[str] = ()
    descriptors: Sequence[int] = ()
    measured: bool = False
    renewed: bool = False
    stop_seconds: float = STOP_SECONDS
    patience_seconds: float = PATIENCE_SECONDS


class Child:
    """One process, kept running. *metrics* is the folder of the server's metrics."""

    def __init__(self, spec: ChildSpec, metrics: Path | None = None) -> None:
        self.spec = spec
        self._metrics = metrics if spec.measured else None
        self._current: Process | None = None
        self._alive: dict[str, Process] = {}
        self._watching: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._stopping = False
        self._has_run = False

    async def keep_running(self) -> None:
        """Start the process, and again each time it dies, until `stop`.

        Raises:
            CannotRun: its settings are invalid, or it was never ready.
        """
        loop = asyncio.get_running_loop()
        first, failures = loop.time(), 0
        while not self._stopping:
            started = loop.time()
            process = self._current = await self._start()
            status = await process.wait()
            while process is not self._current:  # it has a successor
                process, started = self._current, loop.time()
                status = await process.wait()
            if self._stopping:
                return
            if status == INVALID_SETTINGS:
                raise CannotRun(f"the {self.spec.name} process cannot run with these settings")
            steady = loop.time() - started > STEADY_SECONDS
            self._has_run = self._has_run or process.was_ready or steady
            failures = 1 if steady else failures + 1
            pause = min(FIRST_PAUSE_SECONDS * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS)
            self._report(process, status, failures, pause, loop.time() - first)
            await asyncio.sleep(pause)

    async def renew(self) -> bool:
        """Put a new process in the place of the one that runs; False: it did not get ready.

        The new one does the work before the old one is told to go; the old one is left
        to end what it has begun.
        """
        fresh = await self._start()
        if not await fresh.ready(START_SECONDS) or self._stopping:
            await fresh.stop(signal.SIGTERM, self.spec.stop_seconds)
            return False
        old, self._current = self._current, fresh
        if old is not None:
            await self._end(old, signal.SIGHUP)
        return True

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL to one that does not end in time."""
        self._stopping = True
        await self._starting.acquire()  # for good: nothing is started any more
        await asyncio.gather(
            *(self._end(process, signal.SIGTERM) for process in self._alive.values())
        )
        await asyncio.gather(*self._watching)

    def hurry(self) -> None:
        """Have those that are stopping stop now."""
        for process in self._alive.values():
            process.tell(signal.SIGINT)

    def kill(self) -> None:
        for process in self._alive.values():
            process.tell(signal.SIGKILL)

    async def _start(self) -> Process:
        async with self._starting:
            word = self.spec.name.lower().replace(" ", "-")
            name = next(free for i in count() if (free := f"{word}.{i}") not in self._alive)
            process = self._alive[name] = await Process.start(
                self.spec.module,
                self.spec.arguments,
                descriptors=self.spec.descriptors,
                environment=joint.environment(self._metrics, name) if self._metrics else None,
            )
            watching = asyncio.create_task(self._forget(name, process))
            self._watching.add(watching)
            watching.add_done_callback(self._watching.discard)
            return process

    async def _forget(self, name: str, process: Process) -> None:
        await process.wait()
        if self._metrics:
            with contextlib.suppress(OSError):
                joint.forget(self._metrics, name)
        del self._alive[name]

    async def _end(self, process: Process, number: signal.Signals) -> None:
        if not await process.stop(number, self.spec.stop_seconds):
            log.warning("the %s process did not stop in time: killed", self.spec.name)

    def _report(
        self, process: Process, status: int, failures: int, pause: float, spent: float
    ) -> None:
        how = f"ended with status {status}" if status >= 0 else f"was killed by {_signal(status)}"
        early = "" if process.was_ready else " before it was ready"
        said = f"the {self.spec.name} process {how}{early}"
        hopeless = failures >= PATIENCE_STARTS and spent > self.spec.patience_seconds
        if hopeless and not self._has_run:
            raise CannotRun(f"{said}, {failures} times in a row; what it said is above")
        again = f"starting it again in {pause:.1f} s"
        if failures > 2:
            log.error("%s, %d times in a row; %s", said, failures, again)
        else:
            log.warning("%s; %s", said, again)


def _signal(status: int) -> str:
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
