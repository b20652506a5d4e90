"""Two servers for all tests of the gateway; a gateway for each."""

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.acceptance.gateway.servers import Front, Replicas, started, two_servers
from tests.acceptance.server import Client


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with two_servers(tmp_path_factory.mktemp("gateway")) as replicas:
        yield replicas


@pytest.fixture
def replicas(pair: Replicas) -> Replicas:
    """Both run, whatever the test before did to them."""
    pair.revive()
    return pair


@pytest.fixture
def front(replicas: Replicas) -> Iterator[Front]:
    yield from started(replicas)


@pytest.fixture
async def client(front: Front) -> AsyncIterator[Client]:
    async with front.client() as made:
        yield made
