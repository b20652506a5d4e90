"""Real PostgreSQL, Redis, nginx and object storage for tests, each a process on a free port.

A service never outlives the process that started it, even one killed with SIGKILL
(on Linux, where `setpriv` asks the kernel for that), and only the tests hold its password.
"""

import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 60
ATTEMPTS = 3
_READY = re.compile(
    rb"ready to accept connections|Running on http|ready to receive web requests"
    rb"|start worker processes",
    re.IGNORECASE,
)
_GATEWAY = Path(__file__).parents[1] / "deploy" / "nginx"


class MissingProgramError(Exception):
    """A server that tests need is not installed; the message says how to install it."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running server: a test may stop, resume or kill *process* and see what becomes of us."""

    url: str
    process: subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Gateway(Service):
    """A running nginx, with its configuration and logs in *folder*."""

    folder: Path
    plain_url: str


def _account() -> pwd.struct_passwd | None:
    """The account to run a service as. PostgreSQL refuses to run as root, so root gives way."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else None


_ACCOUNT = _account()


@contextmanager
def postgres() -> Iterator[Service]:
    """A new PostgreSQL cluster, at `postgresql://carrel:…@127.0.0.1:port`, without durability.

    Raises:
        MissingProgramError: PostgreSQL is not installed.
    """
    # Debian keeps the server's programs off the PATH, in a folder for each version.
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    initdb, server = (_program(name, "PostgreSQL", versions) for name in ("initdb", "postgres"))
    password = secrets.token_urlsafe(16)
    with _folder({"password": password}) as folder:
        _run(
            folder,
            [initdb, "--pgdata=data", "--username=carrel", "--pwfile=password"],
            ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"],
        )
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

        def command(port: int) -> list[str]:
            return [server, "-D", "data", "-p", str(port), *options]

        # SIGQUIT: leave at once, clients or not.
        with _serve(folder, command, stop=signal.SIGQUIT) as (process, port):
            yield Service(f"postgresql://carrel:{password}@127.0.0.1:{port}", process)


@contextmanager
def redis() -> Iterator[Service]:
    """An empty Redis, at `redis://:…@127.0.0.1:port/0`, that writes nothing to disk.

    Raises:
        MissingProgramError: Redis is not installed.
    """
    server = _program("redis-server", "Redis")
    password = secrets.token_urlsafe(16)
    settings = f'bind 127.0.0.1\nsave ""\nappendonly no\nrequirepass {password}\n'
    with _folder({"redis.conf": settings}) as folder:

        def command(port: int) -> list[str]:
            return [server, "redis.conf", "--port", str(port)]

        with _serve(folder, command, stop=signal.SIGTERM) as (process, port):
            yield Service(f"redis://:{password}@127.0.0.1:{port}/0", process)


@contextmanager
def prometheus(settings: str, rules: str) -> Iterator[Service]:
    """A Prometheus with these *settings*, which name `rules.yml`, at `http://127.0.0.1:port`.

    Raises:
        MissingProgramError: Prometheus is not installed.
    """
    server = _program("prometheus", "Prometheus")
    with _folder({"prometheus.yml": settings, "rules.yml": rules}) as folder:

        def command(port: int) -> list[str]:
            listen = f"--web.listen-address=127.0.0.1:{port}"
            return [server, "--config.file=prometheus.yml", "--storage.tsdb.path=data", listen]

        with _serve(folder, command, stop=signal.SIGKILL) as (process, port):
            yield Service(f"http://127.0.0.1:{port}", process)


@contextmanager
def nginx(
    replicas: Sequence[str], *, certificate: bytes, key: bytes, variables: Mapping[str, str]
) -> Iterator[Gateway]:
    """The gateway of deploy/nginx before *replicas* (`host:port`), at `https://127.0.0.1:port`.

    Raises:
        MissingProgramError: nginx, or envsubst, is not installed.
    """
    server = _program("nginx", "nginx", [Path("/usr/sbin")])
    _program("envsubst", "envsubst")
    plain, status = _free_port(), _free_port()
    files = {"tls.crt": certificate.decode(), "tls.key": key.decode(), "access.log": ""}
    with _folder(files) as folder:

        def command(port: int) -> list[str]:
            render_gateway(
                folder,
                GATEWAY_REPLICAS=" ".join(replicas),
                GATEWAY_HTTPS_PORT=f"127.0.0.1:{port}",
                GATEWAY_HTTP_PORT=f"127.0.0.1:{plain}",
                GATEWAY_STATUS_ADDRESS=f"127.0.0.1:{status}",
                **variables,
            )
            return [server, "-e", "stderr", "-c", f"{folder}/nginx.conf", "-g", "daemon off;"]

        with _serve(folder, command, stop=signal.SIGTERM) as (process, port):
            yield Gateway(f"https://127.0.0.1:{port}", process, folder, f"http://127.0.0.1:{plain}")


def render_gateway(folder: Path, **variables: str) -> None:
    """Write `nginx.conf` into *folder*, which has its certificate and takes its logs."""
    ours = {
        "GATEWAY_RUN_DIR": str(folder),
        "GATEWAY_CERTIFICATE": f"{folder}/tls.crt",
        "GATEWAY_CERTIFICATE_KEY": f"{folder}/tls.key",
        "GATEWAY_ACCESS_LOG": f"{folder}/access.log",
        "GATEWAY_WORKERS": "2",
    }
    rendered = subprocess.run(
        [_GATEWAY / "render"],
        env={"PATH": os.environ["PATH"], **ours, **variables},
        capture_output=True,
        check=True,
    )
    (folder / "nginx.conf").write_bytes(rendered.stdout)


@contextmanager
def object_storage() -> Iterator[Service]:
    """An empty S3, at `http://127.0.0.1:port`, that takes any key and keeps all in memory."""
    with _folder({}, account=None) as folder:

        def command(port: int) -> list[str]:
            return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]

        with _serve(folder, command, stop=signal.SIGKILL, account=None) as (process, port):
            yield Service(f"http://127.0.0.1:{port}", process)


def _program(name: str, product: str, folders: Sequence[Path] = ()) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, folders)]))
    if found is None:
        raise MissingProgramError(
            f"{product} is not installed (no {name}): run `sudo scripts/install_test_services`"
        )
    return found


def _version(bin_folder: Path) -> float:
    return float(bin_folder.parent.name)


@contextmanager
def _folder(files: dict[str, str], account: pwd.struct_passwd | None = _ACCOUNT) -> Iterator[Path]:
    """A private folder with *files* for one service, owned by the account it runs as."""
    folder = Path(tempfile.mkdtemp(prefix="carrel-test-"))
    try:
        for name, content in files.items():
            (folder / name).write_text(content)
        if account:
            for path in (folder, *folder.iterdir()):
                os.chown(path, account.pw_uid, account.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _popen(
    folder: Path,
    command: Sequence[str],
    stop: signal.Signals,
    account: pwd.struct_passwd | None = _ACCOUNT,
) -> subprocess.Popen[bytes]:
    setpriv = shutil.which("setpriv")
    leash = [setpriv, "--pdeathsig", stop.name.removeprefix("SIG"), "--"] if setpriv else []
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [*leash, *command],
            cwd=folder,
            # Nothing of the developer's own reaches the server: PGDATA, PGPORT, a language.
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            start_new_session=True,  # Ctrl-C is for the tests, which then stop the service
        )


def _run(folder: Path, *command: Sequence[str]) -> None:
    process = _popen(folder, [word for words in command for word in words], signal.SIGKILL)
    if process.wait(START_SECONDS) != 0:
        raise RuntimeError(f"{command[0][0]} failed:\n{_log(folder)}")


@contextmanager
def _serve(
    folder: Path,
    command: Callable[[int], list[str]],
    *,
    stop: signal.Signals,
    account: pwd.struct_passwd | None = _ACCOUNT,
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start *command* on a free port, and stop it on the way out."""
    for _ in range(ATTEMPTS):
        port = _free_port()
        process = _popen(folder, command(port), stop, account)
        try:
            # A port free a moment ago may be taken by now: the server exits, and we choose again.
            if _becomes_ready(folder, process):
                yield process, port
                return
        finally:
            process.send_signal(stop)
            process.send_signal(signal.SIGCONT)  # a test may have stopped it
            process.wait(START_SECONDS)
    raise RuntimeError(f"{command(0)[0]} did not start:\n{_log(folder)}")


def _becomes_ready(folder: Path, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if _READY.search((folder / "log").read_bytes()):
            return True
        time.sleep(0.01)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _log(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")
