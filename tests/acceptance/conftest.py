from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from tests.acceptance.server import ADMIN_KEY, Client, Server, new_tenant, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that leave it as they found it."""
    with running(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, server.url, ADMIN_KEY)


@pytest.fixture
async def acme(admin: Client) -> Client:
    return await new_tenant(admin, "acme")


@pytest.fixture
async def globex(admin: Client) -> Client:
    return await new_tenant(admin, "globex")
