"""What every test may ask for: real services, and an event loop that is watched.

In CI a skip is a failure, so a missing service cannot hide behind a green run.
"""

import gc
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg
import hypothesis
import pytest
from blockbuster import blockbuster_ctx
from tests import services
from tests.isolation import tally

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

pytest_terminal_summary = tally.pytest_terminal_summary  # pytest finds it here by its name

IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}

# No test is timed, and a slow machine is not a bug: Hypothesis has no deadline either.
hypothesis.settings.register_profile("carrel", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("carrel")


def pytest_configure() -> None:
    """Keep the developer's own settings, and the services they name, out of every test."""
    # CARREL_TEST_… names servers that tests are to use.
    ours = [name for name in os.environ if name.startswith("CARREL_")]
    for name in [name for name in ours if not name.startswith("CARREL_TEST_")]:
        del os.environ[name]
    # Started in a shell's background we ignore Ctrl-C, and so would every process of a test.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _failed_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _failed_if_skipped((yield))


def _failed_if_skipped(report: Report) -> Report:
    # An expected failure is reported as a skip, too; `wasxfail` tells the two apart.
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"In CI a skip is a failure. {reason}"
    return report


@pytest.fixture(scope="session")
def postgres_service() -> Iterator[services.Service]:
    """The PostgreSQL server of this test process, started when first asked for."""
    yield from _started(services.postgres)


@pytest.fixture
async def postgres_url(postgres_service: services.Service) -> AsyncIterator[str]:
    """A database of the test's own, new and empty: `postgresql+asyncpg://…`."""
    name = f"test_{secrets.token_hex(8)}"
    await _administer(postgres_service, f"CREATE DATABASE {name}")
    yield postgres_service.url.replace("postgresql://", "postgresql+asyncpg://") + f"/{name}"
    await _administer(postgres_service, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def redis_service() -> Iterator[services.Service]:
    """The Redis server of this test process, started when first asked for."""
    yield from _started(services.redis)


@pytest.fixture
def redis_url(redis_service: services.Service) -> str:
    """A Redis that no other test is using, emptied: `redis://…`."""
    at = urlsplit(redis_service.url)
    with (
        socket.create_connection((at.hostname, at.port)) as connection,
        connection.makefile("rb") as replies,
    ):
        connection.sendall(f"AUTH {at.password}\r\nFLUSHALL\r\n".encode())
        assert [replies.readline(), replies.readline()] == [b"+OK\r\n", b"+OK\r\n"]
    return redis_service.url


@pytest.fixture
def unblocked_loop() -> Iterator[None]:
    """Fails the test when Carrel's code, on the event loop, waits for a file, a lock or a sleep.

    For a whole file: `pytestmark = pytest.mark.usefixtures("unblocked_loop")`.
    """
    # What an earlier test left is collected before or after: gRPC's objects take a lock for that.
    gc.disable()
    try:
        with blockbuster_ctx("carrel"):
            yield
    finally:
        gc.enable()


def _started(
    service: Callable[[], AbstractContextManager[services.Service]],
) -> Iterator[services.Service]:
    try:
        with service() as running:
            yield running
    except services.MissingProgramError as missing:
        pytest.skip(str(missing))


async def _administer(postgres: services.Service, statement: str) -> None:
    connection = await asyncpg.connect(f"{postgres.url}/postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
