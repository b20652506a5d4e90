"""One parser process, as its parent sees it.

It is started without the parent's secrets and in a process group of its own,
reads one document at a time, and never outlives a failure.
"""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque

import msgspec

from carrel.domain.errors import Unavailable
from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.failure import ParseFailed, ParserKilled
from carrel.ingestion.parse.wire import HEADER, Failed, Parsed, Ready, Reply, Task, frame

_START_SECONDS = 60.0
_LONGEST_REPLY = 256 << 20
_SMALL_REPLY = 256 << 10  # is decoded in less time than it takes to hand it to a thread
_STDERR_LINES = 20

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")
# Each thread of the libraries reserves address space, as does each arena of the allocator:
# with one for each core of a large machine, the cap would be spent before any work.
_FRUGAL = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": "131072",  # what a large document took is given back at once
    "TOKIO_WORKER_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}
_decoder = msgspec.msgpack.Decoder(Reply)


class ParserProcess:
    """A running child; made by `start`."""

    def __init__(self, process: Process, caps: Caps, timeout_seconds: float) -> None:
        self._process = process
        self._caps = caps
        self._timeout_seconds = timeout_seconds
        self._last_words: deque[bytes] = deque(maxlen=_STDERR_LINES)
        self._listening = asyncio.create_task(self._listen())
        self.served = 0

    @classmethod
    async def start(cls, caps: Caps, *, timeout_seconds: float) -> "ParserProcess":
        """A process with *caps* in force, waiting for its first task.

        Raises:
            Unavailable: it could not be started.
        """
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "carrel.ingestion.parse.child"),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=environment | _FRUGAL,
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"no parser process could be started: {error}") from error
        child = cls(process, caps, timeout_seconds)
        try:
            async with asyncio.timeout(_START_SECONDS):
                if not isinstance(await child._exchange(caps), Ready):
                    raise ConnectionError
        except (OSError, EOFError, TimeoutError) as error:
            await child.kill()
            raise Unavailable(f"a parser process did not start: {child.last_words}") from error
        except BaseException:
            await child.kill()
            raise
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def last_words(self) -> str:
        """The last lines that the process wrote to its standard error."""
        return b"".join(self._last_words).decode(errors="replace").strip()

    async def parse(self, task: Task) -> Parsed:
        """The document of *task*. After any exception, the process must be killed.

        Raises:
            ParseFailed: the document cannot be read, or reading it cost too much.
            ParserKilled: something from outside ended the process; another time it may be read.
        """
        self.served += 1
        try:
            async with asyncio.timeout(self._timeout_seconds):
                reply = await self._exchange(task)
        except TimeoutError:
            raise ParseFailed(
                f"reading the document takes more than {self._timeout_seconds:g} seconds"
            ) from None
        except (OSError, EOFError, msgspec.MsgspecError) as error:
            raise ParseFailed(await self._cause_of_death()) from error
        if isinstance(reply, Parsed):
            return reply
        raise ParseFailed(reply.reason if isinstance(reply, Failed) else "its parser failed")

    async def stop(self) -> None:
        """End the process kindly: it ends by itself once nothing more can come."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """End the process, and any that it started, whatever it is doing."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await asyncio.gather(self._listening, return_exceptions=True)

    async def _exchange(self, message: msgspec.Struct) -> Reply:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(frame(message))
        await self._process.stdin.drain()
        header = await self._process.stdout.readexactly(HEADER.size)
        length = HEADER.unpack(header)[0]
        if length > _LONGEST_REPLY:
            raise ConnectionError("a reply of impossible length")
        body = await self._process.stdout.readexactly(length)
        if length < _SMALL_REPLY:
            return _decoder.decode(body)
        return await asyncio.to_thread(_decoder.decode, body)

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(OSError):
            while words := await self._process.stderr.read(4096):
                self._last_words.append(words)

    async def _cause_of_death(self) -> str:
        """Why the process ended in the middle of a document, for people.

        Raises:
            ParserKilled: someone else killed it.
        """
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        status = await self._process.wait()
        await asyncio.gather(self._listening, return_exceptions=True)
        if status == -signal.SIGXCPU:
            seconds = self._caps.processor_seconds
            return f"reading the document takes more than {seconds} seconds of processor time"
        if "memory allocation" in self.last_words or "MemoryError" in self.last_words:
            mebibytes = self._caps.memory_bytes >> 20
            return f"reading the document takes more than {mebibytes} MiB of memory"
        if status == -signal.SIGKILL:
            raise ParserKilled("the process that read the document was killed")
        return "the document cannot be read: its parser crashed"
