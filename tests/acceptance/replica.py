"""A second API process beside a server, so that one of two can be killed."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests.acceptance.server import ADMIN_KEY, Server


@dataclass
class Replica:
    """A second API process beside a server, on its data folder, its engine and its Redis."""

    url: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def beside(server: Server) -> Iterator[Replica]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(2_048)
        port = listening.getsockname()[1]
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("CARREL_")},
            "CARREL_ADMIN_KEY": ADMIN_KEY,
            "CARREL_DATA_DIR": str(server.data_dir),
            **server.environment,
        }
        command = [sys.executable, "-m", "carrel.serving.api", str(listening.fileno())]
        with subprocess.Popen(
            command,
            env=environment,
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,
            cwd=server.data_dir.parent,
        ) as process:
            Server(server.data_dir, port=port, process=process).wait_ready()
            yield Replica(f"http://127.0.0.1:{port}", process)
            process.kill()
