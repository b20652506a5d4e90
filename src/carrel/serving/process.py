"""One started process, and its lifeline: a socket on its standard input.

The child sees the supervisor's death as the end of it; the supervisor hears on it that
the child is ready. See `lifeline` for the child's side.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

# What nobody would use: allocator arenas and algebra buffers for each thread, and a thread for
# each core, to tokenize texts that come one by one.
SPARING = {
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class Process:
    """A process that runs a module of ours."""

    def __init__(self, running: asyncio.subprocess.Process, lifeline: socket.socket) -> None:
        self._running = running
        self._lifeline = lifeline
        self._said_ready = asyncio.ensure_future(self._hear())
        self._ended = asyncio.ensure_future(self._end())

    @classmethod
    async def start(
        cls,
        module: str,
        arguments: Sequence[str] = (),
        *,
        descriptors: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
    ) -> "Process":
        """Start `python -m module`, with *descriptors* inherited and *environment* added."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            running = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *arguments,
                stdin=theirs.fileno(),
                pass_fds=tuple(descriptors),
                env={**SPARING, **os.environ, **(environment or {})},
                start_new_session=True,  # Ctrl-C reaches the supervisor, which stops in order
            )
        return cls(running, ours)

    @property
    def was_ready(self) -> bool:
        """Whether it has said, so far, that it does its work."""
        return self._said_ready.done() and self._said_ready.result()

    async def ready(self, seconds: float | None = None) -> bool:
        """Whether it is ready within *seconds*; False as soon as it has ended instead."""
        await asyncio.wait(
            {self._said_ready, self._ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        return self.was_ready

    async def wait(self) -> int:
        """Its exit status; negative: the signal that ended it."""
        return await asyncio.shield(self._ended)

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            if not self._ended.done():
                self._running.send_signal(number)

    async def stop(self, number: signal.Signals, seconds: float) -> bool:
        """Send *number* and wait until it has ended; False: it had to be killed after *seconds*."""
        self.tell(number)
        try:
            async with asyncio.timeout(seconds):
                await self.wait()
        except TimeoutError:
            self.tell(signal.SIGKILL)
            await self.wait()
            return False
        return True

    async def _hear(self) -> bool:
        try:
            return bool(await asyncio.get_running_loop().sock_recv(self._lifeline, 1))
        except OSError:
            return False

    async def _end(self) -> int:
        status = await self._running.wait()
        if not self._said_ready.done():
            # What it said last is there by now; a process of its own may hold the socket open.
            await asyncio.wait({self._said_ready}, timeout=0.05)
            self._said_ready.cancel()
            await asyncio.gather(self._said_ready, return_exceptions=True)
        self._lifeline.close()
        return status
