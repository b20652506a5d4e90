"""A Qdrant cluster of three that loses a node: reads and writes go on, and nothing is lost.

Once on stand-ins that share one local client: that shows how the adapter goes from an address
that is gone to the others, and nothing about replicas. And on a real cluster, where there is one:

- `CARREL_TEST_QDRANT_CLUSTER_URLS`: the three nodes' gRPC addresses, as `http://host:port`,
  separated by commas;
- `CARREL_TEST_QDRANT_KILL`: the command that kills node {n}, which counts from 1, for good:
  `docker kill qdrant-{n}`.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from qdrant_client import AsyncQdrantClient
from tests.conftest import IN_CI
from tests.contract.conftest import new_tenant
from tests.contract.local_qdrant import LocalQdrant
from tests.contract.own_collections import new_collection
from tests.contract.qdrant_wire import WireQdrant, listening
from tests.contract.sample_points import DIMENSIONS, EAST, point, publish, words

from carrel.domain.errors import Unavailable
from carrel.domain.ids import DocumentId
from carrel.vectors.server.client import CONNECTIONS, channel_options
from carrel.vectors.server.store import QdrantServerStore
from carrel.vectors.store import TenantVectors

URLS = [each for each in os.environ.get("CARREL_TEST_QDRANT_CLUSTER_URLS", "").split(",") if each]
KILL = os.environ.get("CARREL_TEST_QDRANT_KILL", "")
IS_THERE = len(URLS) == 3 and bool(KILL)
NODES = 3
READERS = WRITERS = 4
CHUNKS = 10
SECONDS_AFTER = 20.0

# In CI a skip is a failure: there the test of a cluster is only there with a cluster.
_real = pytest.param(
    "real_cluster",
    marks=pytest.mark.skipif(
        not IS_THERE,
        reason="no Qdrant cluster: set CARREL_TEST_QDRANT_CLUSTER_URLS (three addresses) and "
        "CARREL_TEST_QDRANT_KILL (see this file); what replicas do is untested without one",
    ),
)
CLUSTERS = ["stand_ins", *([_real] if IS_THERE or not IN_CI else [])]


@dataclass
class Cluster:
    """Three nodes behind one client; *kill* takes a number from 1 and ends that node."""

    client: AsyncQdrantClient
    kill: Callable[[int], Awaitable[None]]
    seconds_after: float


def client_of(addresses: Sequence[tuple[str, int]]) -> AsyncQdrantClient:
    """A client as for a name with several addresses, which in tests have ports of their own."""
    *others, (host, port) = addresses
    name = "ipv4:" + ",".join([*(f"{host}:{port}" for host, port in others), host])
    return AsyncQdrantClient(
        host=name,
        grpc_port=port,
        prefer_grpc=True,
        https=False,
        grpc_options=channel_options(None),
        pool_size=CONNECTIONS,
        timeout=60,
        check_compatibility=False,
    )


@pytest.fixture
async def stand_ins() -> AsyncIterator[Cluster]:
    """Three addresses of one memory: a killed one first stops answering, with requests in hand."""
    memory = LocalQdrant()
    nodes = [WireQdrant(local=memory) for _ in range(NODES)]
    stacks = [AsyncExitStack() for _ in nodes]
    ports = [
        await stack.enter_async_context(listening(node))
        for stack, node in zip(stacks, nodes, strict=True)
    ]

    async def kill(number: int) -> None:
        await until(lambda: all(node.messages for node in nodes))  # the client uses them all
        node = nodes[number - 1]
        node.silent = True
        node.messages.clear()
        await until(lambda: {type(each).__name__ for each in node.messages} > {"QueryBatchPoints"})
        await stacks[number - 1].aclose()

    client = await asyncio.to_thread(client_of, [("127.0.0.1", port) for port in ports])
    yield Cluster(client, kill, seconds_after=1.0)
    for stack in stacks:
        await stack.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  it is about several tasks, and a server
            await asyncio.sleep(0.01)


@pytest.fixture
async def real_cluster() -> Cluster:
    """The cluster that the environment names; one of its nodes is dead afterwards."""
    named = [urlsplit(each) for each in URLS]
    addresses = [
        (await asyncio.to_thread(socket.gethostbyname, each.hostname or ""), each.port or 6334)
        for each in named
    ]

    async def kill(number: int) -> None:
        command = await asyncio.create_subprocess_shell(KILL.format(n=number))
        assert await command.wait() == 0

    return Cluster(await asyncio.to_thread(client_of, addresses), kill, SECONDS_AFTER)


@dataclass
class Load:
    """Searches and writes that go on until told to stop, with what became of them."""

    tenants: Sequence[TenantVectors]
    stopping: bool = False
    searches: int = 0
    failed: list[str] = field(default_factory=list[str])
    acknowledged: list[tuple[TenantVectors, DocumentId]] = field(
        default_factory=list[tuple[TenantVectors, DocumentId]]
    )
    repeated: int = 0

    async def read(self, tenant: TenantVectors) -> None:
        while not self.stopping:
            try:
                hits = await tenant.search(EAST, words("apple"), limit=5)
            except Unavailable as error:
                self.failed.append(error.message)
            else:
                assert len(hits.dense) == len(hits.sparse) == 5
                self.searches += 1
            await asyncio.sleep(0.01)

    async def write(self, tenant: TenantVectors, writer: int) -> None:
        """Documents, one after the other; one that fails is written again, as its job would."""
        number = 0
        while not self.stopping:
            document = DocumentId(f"doc_{writer}_{number}")
            try:
                await publish(tenant, *(point(document, ordinal=i) for i in range(CHUNKS)))
            except Unavailable:
                self.repeated += 1
                await asyncio.sleep(0.1)
            else:
                self.acknowledged.append((tenant, document))
                number += 1


@pytest.fixture(params=CLUSTERS)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    return request.getfixturevalue(request.param)


async def test_when_a_node_is_lost_reads_and_writes_go_on_and_nothing_is_lost(
    cluster: Cluster,
) -> None:
    store = QdrantServerStore(
        "http://unused",
        dimensions=DIMENSIONS,
        client=cluster.client,
        collection=f"carrel_test_{secrets.token_hex(8)}",
        replication_factor=NODES,
        write_consistency_factor=2,
    )
    ours = new_tenant()
    tenants = [store.tenant(ours), store.tenant(ours, collection=new_collection())]
    for tenant in tenants:
        await publish(tenant, *(point("doc_first", ordinal=i) for i in range(CHUNKS)))
    load = Load(tenants)
    async with asyncio.TaskGroup() as group:
        for number in range(READERS):
            group.create_task(load.read(tenants[number % 2]))
        for number in range(WRITERS):
            group.create_task(load.write(tenants[number % 2], number))
        await until(lambda: load.searches > 50 and len(load.acknowledged) > 10)
        await cluster.kill(2)
        searches, written = load.searches, len(load.acknowledged)
        await asyncio.sleep(cluster.seconds_after)
        await until(lambda: load.searches > searches and len(load.acknowledged) > written)
        load.stopping = True

    assert load.failed == []
    for tenant, document in load.acknowledged:
        assert await tenant.count(document) == CHUNKS, document
    for tenant in tenants:
        await tenant.erase()
    await cluster.client.delete_collection(store._collections.shared.name)
    await store.close()
