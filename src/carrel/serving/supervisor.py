"""One host's processes: vector engine, worker, API; each is started again when it dies.

The supervisor holds no data and serves nobody. Children notice its death by the
end of their standard input, so none is left behind, not even by kill -9.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from carrel.serving.lifeline import INVALID_SETTINGS

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
STEADY_SECONDS = 10.0
STOP_SECONDS = 15.0
# Memory that nobody would use: allocator arenas and algebra buffers for each thread.
SPARING = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}


class CannotRun(Exception):
    """A child says that starting it again would not help."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What a child is called and how it is started."""

    name: str
    module: str
    arguments: Sequence[str] = ()
    descriptors: Sequence[int] = ()


class Child:
    """One process, kept running."""

    def __init__(self, spec: ChildSpec) -> None:
        self._spec = spec
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    async def keep_running(self) -> None:
        """Start the process, and again each time it dies, until `stop`.

        Raises:
            CannotRun: its settings are invalid.
        """
        pause = FIRST_PAUSE_SECONDS
        loop = asyncio.get_running_loop()
        while not self._stopping:
            started = loop.time()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._spec.module,
                *self._spec.arguments,
                stdin=asyncio.subprocess.PIPE,
                pass_fds=tuple(self._spec.descriptors),
                env=SPARING | os.environ,
                start_new_session=True,  # Ctrl-C reaches the supervisor, which stops in order
            )
            status = await self._process.wait()
            if self._stopping:
                return
            if status == INVALID_SETTINGS:
                raise CannotRun(self._spec.name)
            if loop.time() - started > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            log.warning(
                "the %s process ended with status %d; starting it again", self._spec.name, status
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL to one that does not end in time."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            log.warning("the %s process does not stop; killing it", self._spec.name)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def supervise(
    specs: Sequence[ChildSpec], at_stop: Callable[[], object] = lambda: None
) -> int:
    """Run all children until SIGTERM or SIGINT, then stop them, last first; the exit status.

    *at_stop* is called before the first of them is told.
    """
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    children = [Child(spec) for spec in specs]
    keeping = [asyncio.ensure_future(child.keep_running()) for child in children]
    waiting = asyncio.ensure_future(told.wait())
    await asyncio.wait([waiting, *keeping], return_when=asyncio.FIRST_COMPLETED)
    at_stop()
    for child in reversed(children):
        await child.stop()
    for task in (waiting, *keeping):
        task.cancel()
    outcomes = await asyncio.gather(*keeping, return_exceptions=True)
    return 1 if any(isinstance(outcome, CannotRun) for outcome in outcomes) else 0
