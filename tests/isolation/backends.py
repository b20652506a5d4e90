"""What is attacked: the embedded engine with SQLite, and the Qdrant adapter with PostgreSQL.

The Qdrant server is the client's local mode behind real gRPC, in a process of its own: it
exercises the adapter's requests, not what a server makes of them. Where PostgreSQL is not
installed, SQLite stands in for it.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import asyncpg
from tests.services import MissingProgramError, postgres

from carrel.settings import Settings

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Backend:
    """What stores vectors and metadata; `share` is how much of a long run it is given.

    Without a port of a Qdrant server it is the embedded engine, and without the URL of a
    PostgreSQL server SQLite.
    """

    name: str
    share: float = 1.0
    qdrant_port: int | None = None
    postgres_url: str | None = None

    def __str__(self) -> str:
        return self.name

    async def environment(self, folder: Path) -> dict[str, str]:
        """Settings that choose a database and a collection of which nobody else knows."""
        chosen = {"CARREL_DATA_DIR": str(folder)}
        name = f"t{secrets.token_hex(8)}"
        if self.qdrant_port is not None:
            chosen["CARREL_QDRANT_URL"] = "http://127.0.0.1"
            chosen["CARREL_QDRANT_GRPC_PORT"] = str(self.qdrant_port)
            chosen["CARREL_QDRANT_COLLECTION"] = name
        if self.postgres_url is not None:
            # It is not dropped: the whole server goes with the tests.
            connection = await asyncpg.connect(f"{self.postgres_url}/postgres")
            await connection.execute(f"CREATE DATABASE {name}")
            await connection.close()
            chosen["CARREL_DATABASE_URL"] = f"{self.postgres_url}/{name}"
        return chosen


EMBEDDED = Backend("engine and SQLite")


@contextmanager
def served() -> Iterator[Backend]:
    """The server's adapter, with the databases of a run of tests."""
    with _qdrant() as port:
        try:
            with postgres() as database:
                name = "Qdrant adapter and PostgreSQL"
                yield Backend(name, 0.1, port, database.url)
        except MissingProgramError:
            yield Backend("Qdrant adapter and SQLite", 0.1, port)


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The settings of a process with *environment*."""
    with patch.dict("os.environ", environment):
        return Settings(_env_file=None)


@contextmanager
def _qdrant() -> Iterator[int]:
    """The port of a Qdrant server, which ends with its standard input."""
    command = [sys.executable, "-m", "tests.isolation.qdrant_process"]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.communicate(timeout=20)
