"""The stacks that are attacked, each with the tenants that a test makes in it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from tests.acceptance.server import ADMIN_KEY, Client, Server, running
from tests.isolation.backends import EMBEDDED, Backend, served
from tests.isolation.stack import Api, opened
from tests.isolation.tally import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]  # a hook of pytest's


@pytest.fixture(scope="session", params=["embedded", "served"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Another backend is one more name; all attacks are then made on it, too."""
    if request.param == "embedded":
        yield EMBEDDED
        return
    with served() as started:
        yield started


@pytest.fixture(scope="session")
def server(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all attacks over HTTP."""
    folder = tmp_path_factory.mktemp("attacked")
    with running(folder, asyncio.run(backend.environment(folder / "data"))) as started:
        yield started


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, server.url, ADMIN_KEY)


@pytest.fixture
async def api(backend: Backend, tmp_path: Path) -> AsyncIterator[Api]:
    """A stack in this process, on the test's own event loop."""
    async with opened(tmp_path / "data", backend) as stack:
        yield stack


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """An event loop for tests that are not coroutines themselves."""
    with asyncio.Runner() as loop:
        yield loop
