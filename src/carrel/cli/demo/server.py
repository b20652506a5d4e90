"""The demo's own server: a child process that does not outlive the demo.

However the demo ends (done, failed, Ctrl-C, SIGTERM), the server and all that
it started are gone. On Linux the kernel stops the server even when the demo
is killed with SIGKILL.
"""

import asyncio
import contextlib
import ctypes
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from carrel.cli.client import Client
from carrel.cli.failure import Failure

HOST = "127.0.0.1"
# -P: the folder it runs in is for data, and nothing is imported from there.
SERVE_COMMAND = (sys.executable, "-P", "-m", "carrel", "serve")
READY_WITHIN_SECONDS = 60.0
STOPPED_WITHIN_SECONDS = 15.0
POLL_SECONDS = 0.02
# The demo never touches the databases that the environment may name: only the
# settings that make answers better are handed on.
_HANDED_ON = ("CARREL_LLM__", "CARREL_EMBEDDER__", "CARREL_PRICES")
_LOG_TAIL_LINES = 12


class DemoServer:
    """`carrel serve` as a child: started, it accepts work at `url`; stopped, it is gone.

    `started_ms` is the time from starting the process to its being ready.
    """

    def __init__(
        self, port: int, data_dir: Path, *, command: Sequence[str] = SERVE_COMMAND
    ) -> None:
        self.url = f"http://{HOST}:{port}"
        self.admin_key = secrets.token_hex(32)
        self.log_path = data_dir / "server.log"
        self.started_ms = 0.0
        self._command = (*command, "--host", HOST, "--port", str(port))
        self._data_dir = data_dir
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id of the child, once started."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start the server, and return when it accepts work.

        Raises:
            Failure: it ended, or was not ready in time; `stop` it all the same.
        """
        variables = environment(_variables(), self.admin_key, self._data_dir)
        started = time.perf_counter()
        with self.log_path.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env=variables,
                # The folder holds no .env, so these variables are all there is.
                cwd=self._data_dir,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A group of its own: Ctrl-C reaches the demo alone, which then stops the server
                # in order, and the group's id reaches all that the server started.
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        await self._ready(self._process)
        self.started_ms = (time.perf_counter() - started) * 1000

    async def ended(self) -> int:
        """The exit status of the server, when it ends by itself."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask the server to stop, wait, and then leave nothing of it."""
        if self._process is None:
            return
        try:
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                self._process.terminate()
                async with asyncio.timeout(STOPPED_WITHIN_SECONDS):
                    await self._process.wait()
        finally:
            self.kill()

    def kill(self) -> None:
        """End at once whatever is left of the server's process group."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def log_tail(self) -> str:
        """The last lines that the server wrote; empty if there are none."""
        try:
            lines = self.log_path.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-_LOG_TAIL_LINES:])

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(READY_WITHIN_SECONDS), Client(self.url) as client:
                while not await client.is_ready():
                    if process.returncode is not None:
                        raise Failure(f"The server ended with status {process.returncode}.")
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise Failure(f"Not ready after {READY_WITHIN_SECONDS:.0f} s.") from None


def environment(given: Mapping[str, str], admin_key: str, data_dir: Path) -> dict[str, str]:
    """The child's environment: *given* without settings that would lead out of *data_dir*."""
    kept = {
        name: value
        for name, value in given.items()
        if not name.startswith("CARREL_") or name.startswith(_HANDED_ON)
    }
    return {**kept, "CARREL_ADMIN_KEY": admin_key, "CARREL_DATA_DIR": str(data_dir)}


def available_port(wanted: int) -> int:
    """*wanted* where it is free, or one that is."""
    with socket.socket() as probe:
        # As the server itself does: a port that only waits out old connections is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _variables() -> dict[str, str]:
    from dotenv import dotenv_values

    from carrel.settings import ENV_FILE

    written = {name: value for name, value in dotenv_values(ENV_FILE).items() if value is not None}
    return {**written, **os.environ}


def _die_with_parent() -> None:
    """In the child, before it runs: ask the kernel for SIGTERM when the parent is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1: PR_SET_PDEATHSIG, prctl(2)
