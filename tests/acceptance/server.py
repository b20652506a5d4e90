"""A real `carrel serve`, as a user starts it, and an HTTP client for it."""

import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

ADMIN_KEY = "Zk4-acceptance-tests-only-9fQ2xW7rT1"
READY_SECONDS = 60
API = "carrel.serving.api"


@dataclass
class Server:
    """One server with all its processes."""

    data_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    arguments: Sequence[str] = ()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it accepts work."""
        self.port = self.port or free_port()
        with self._log_path.open("a") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "carrel",
                    "serve",
                    "--port",
                    str(self.port),
                    *self.arguments,
                ],
                env=self._variables(),
                stdout=log,
                stderr=log,
                cwd=self.data_dir.parent,
            )
        self.wait_ready()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            if self.process is None or self.process.poll() is not None:
                raise AssertionError(f"the server ended:\n{self.log()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"the server is not ready:\n{self.log()}")
            time.sleep(0.02)

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")
                return b" 200 " in connection.makefile("rb").readline()
        except OSError:
            return False

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def kill(self) -> None:
        """kill -9 of the supervisor; returns when every process of the tree is gone."""
        assert self.process is not None
        tree = [self.process.pid, *self.children().values()]
        self.process.kill()
        self.process.wait()
        deadline = time.monotonic() + 15
        while any(_runs(pid) for pid in tree):
            assert time.monotonic() < deadline, "a child outlived its supervisor"
            time.sleep(0.02)

    def children(self) -> dict[str, int]:
        """Process ids of the running children, by the module that each runs."""
        assert self.process is not None
        found: dict[str, int] = {}
        for pid in _children_of(self.process.pid):
            if module := _module(pid):
                found[module] = pid
        return found

    def apis(self) -> set[int]:
        """Process ids of the API processes."""
        assert self.process is not None
        return {pid for pid in _children_of(self.process.pid) if _module(pid) == API}

    def kill_child(self, module: str) -> None:
        os.kill(self.children()[module], signal.SIGKILL)

    def log(self, *, whole: bool = False) -> str:
        """Its last lines, or all."""
        return self._log_path.read_text()[0 if whole else -4000 :]

    def _variables(self) -> dict[str, str]:
        """Ours in place of the developer's; one that is empty is not set at all."""
        ours = {
            "CARREL_ADMIN_KEY": ADMIN_KEY,
            "CARREL_DATA_DIR": str(self.data_dir),
            **self.environment,
        }
        others = {k: v for k, v in os.environ.items() if not k.startswith("CARREL_")}
        return others | {name: value for name, value in ours.items() if value}

    @property
    def _log_path(self) -> Path:
        return self.data_dir.parent / "server.log"


@contextlib.contextmanager
def running(
    folder: Path, environment: Mapping[str, str] | None = None, *, arguments: Sequence[str] = ()
) -> Iterator[Server]:
    """A server with data of its own under *folder*, stopped at the end."""
    server = Server(folder / "data", environment or {}, arguments=arguments)
    server.data_dir.mkdir(parents=True)
    try:
        server.start()  # one that does not become ready is stopped, too
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _module(pid: int) -> str | None:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"-m" in words:
            return words[words.index(b"-m") + 1].decode()
    return None


def _children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@dataclass
class Client:
    """Speaks HTTP for one key."""

    session: aiohttp.ClientSession
    url: str
    key: str | None

    async def call(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> tuple[int, Any]:
        """Status and decoded body."""
        sent = {"authorization": f"Bearer {self.key}"} if self.key else {}
        async with self.session.request(
            method,
            URL(self.url + path, encoded=True),
            headers={**sent, **(headers or {})},
            **options,
        ) as response:
            if response.content_type == "application/json":
                return response.status, await response.json()
            return response.status, await response.text()

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        return await self.call("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> tuple[int, Any]:
        return await self.call("POST", path, json=json, **options)

    async def upload(
        self, name: str, content: bytes, *, wait: float = 30, **fields: str
    ) -> tuple[int, Any]:
        form = aiohttp.FormData(fields)
        form.add_field("file", io.BytesIO(content), filename=name)
        return await self.call("POST", f"/v1/documents?wait={wait}", data=form)

    def with_key(self, key: str | None) -> "Client":
        return Client(self.session, self.url, key)


async def new_tenant(admin: Client, name: str, **key: Any) -> Client:
    """A client with a key of a new tenant."""
    status, tenant = await admin.post("/admin/tenants", {"name": name})
    assert status == 201, tenant
    status, made = await admin.post(f"/admin/tenants/{tenant['id']}/keys", key)
    assert status == 201, made
    return admin.with_key(made["secret"])
