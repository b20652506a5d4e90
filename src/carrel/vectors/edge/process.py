"""Starting and stopping the vector engine as a child process."""

import asyncio
import contextlib
import sys
from pathlib import Path

from carrel.domain.errors import Unavailable
from carrel.vectors.edge.connections import Connections
from carrel.vectors.edge.wire import Done, Ping

POLL_SECONDS = 0.02


def engine_command(folder: Path, dimensions: int, most_open: int | None = None) -> list[str]:
    """The command line of the engine for *folder*; at most *most_open* own collections are open."""
    program = [sys.executable, "-P", "-m", "carrel.vectors.edge.engine"]
    bound = [] if most_open is None else ["--most-open", str(most_open)]
    return [*program, "--folder", str(folder), "--dimensions", str(dimensions), *bound]


class EngineProcess:
    """One run of the engine; it ends with this object's process, whatever ends that."""

    def __init__(self, folder: Path, dimensions: int, most_open: int | None = None) -> None:
        self._folder = folder
        self._command = engine_command(folder, dimensions, most_open)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        return self._started().pid

    async def start(self) -> None:
        """Start it; `wait_ready` says when it answers."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE
        )

    async def wait_ready(self, timeout_seconds: float = 20.0) -> None:
        """Return once the engine answers.

        Raises:
            Unavailable: it ended first, or did not answer in time.
        """
        process = self._started()
        connections = Connections(self._folder, limit=1, timeout_seconds=timeout_seconds)
        try:
            async with asyncio.timeout(timeout_seconds):
                while process.returncode is None:
                    with contextlib.suppress(Unavailable):
                        await connections.ask(Ping(), Done)
                        return
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise Unavailable(f"no vector engine after {timeout_seconds:g} s") from None
        finally:
            await connections.close()
        raise Unavailable(f"the vector engine ended with status {process.returncode}")

    async def wait(self) -> int:
        """The exit status, once it ends: 0 when stopped, negative for a signal, else `os.EX_…`."""
        return await self._started().wait()

    async def stop(self, timeout_seconds: float = 10.0) -> int:
        """Let it bring everything to the disk and end; kill it if that takes longer.

        Gives the exit status.
        """
        process = self._started()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(timeout_seconds):
                return await process.wait()
        except TimeoutError:
            process.kill()
            return await process.wait()

    def kill(self) -> None:
        """End it at once, like a crash."""
        with contextlib.suppress(ProcessLookupError):
            self._started().kill()

    def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("start() comes first")
        return self._process
