"""Every implementation of a port, each as a fixture that tests ask for by the port's name."""

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from qdrant_client import QdrantClient
from tests.contract.local_qdrant import LocalQdrant
from tests.contract.own_collections import InOwnCollections
from tests.contract.qdrant_wire import WireQdrant, listening
from tests.contract.sample_points import DIMENSIONS

from carrel.domain.ids import TenantId
from carrel.vectors.edge.address import socket_path
from carrel.vectors.edge.process import engine_command
from carrel.vectors.edge.store import EdgeVectorStore
from carrel.vectors.server.store import QdrantServerStore
from carrel.vectors.store import TenantVectors, VectorStore

QDRANT_URL = os.environ.get("CARREL_TEST_QDRANT_URL")
QDRANT_API_KEY = os.environ.get("CARREL_TEST_QDRANT_API_KEY")
QDRANT_GRPC_PORT = int(os.environ.get("CARREL_TEST_QDRANT_GRPC_PORT", "6334"))

# Without a server its tests are not there, rather than skipped: a skip would hide among others.
STORES = ["edge", "server-local", "server-wire", *(["server"] if QDRANT_URL else [])]
MEMORY_BYTES = 2 * 1024**3


@pytest.fixture(scope="session")
def edge_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory, where there is room: nothing here asks what outlives a power cut.

    A hundred collections are made here, with ten syncs each: on a busy disk that takes minutes.
    """
    memory = Path("/dev/shm")
    if not memory.is_dir() or shutil.disk_usage(memory).free < MEMORY_BYTES:
        yield tmp_path_factory.mktemp("edge")
        return
    with tempfile.TemporaryDirectory(prefix="carrel-edge-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def edge_folder(edge_disk: Path) -> Iterator[Path]:
    """The folder of a running vector engine, shared by all tests of this process."""
    folder = edge_disk / "vectors"
    with subprocess.Popen(engine_command(folder, DIMENSIONS), stdin=subprocess.PIPE) as engine:
        while engine.poll() is None:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(socket_path(folder))) == 0:
                    break
            time.sleep(0.02)
        yield folder
        engine.communicate(timeout=20)  # the end of its standard input ends the engine
    assert engine.returncode == 0


@pytest.fixture
async def edge_store(edge_folder: Path) -> AsyncIterator[VectorStore]:
    store = EdgeVectorStore(edge_folder)
    yield store
    await store.close()


@pytest.fixture
async def server_local_store() -> AsyncIterator[VectorStore]:
    """The server's adapter over the client's local mode, which has no indexes and no replicas."""
    store = QdrantServerStore("http://unused", dimensions=DIMENSIONS, client=LocalQdrant())
    yield store
    await store.close()


@pytest.fixture
async def server_wire_store() -> AsyncIterator[VectorStore]:
    """The same, with gRPC in between."""
    async with listening(WireQdrant()) as port:
        store = await asyncio.to_thread(  # the client reads its own version from the disk
            QdrantServerStore, "http://127.0.0.1", grpc_port=port, dimensions=DIMENSIONS
        )
        yield store
        await store.close()


@pytest.fixture(scope="session")
def server_collection() -> Iterator[str]:
    """The shared collection of this run on the server that CARREL_TEST_QDRANT_URL names."""
    name = f"carrel_test_{secrets.token_hex(8)}"
    yield name
    client = QdrantClient(
        QDRANT_URL, api_key=QDRANT_API_KEY, grpc_port=QDRANT_GRPC_PORT, prefer_grpc=True
    )
    for each in client.get_collections().collections:
        if each.name.startswith(name):  # tenants' own, too
            client.delete_collection(each.name)
    client.close()


@pytest.fixture
async def server_store(server_collection: str) -> AsyncIterator[VectorStore]:
    """A real server, on a loopback address: tests reach no other."""
    assert QDRANT_URL
    store = await asyncio.to_thread(
        QdrantServerStore,
        QDRANT_URL,
        api_key=QDRANT_API_KEY,
        grpc_port=QDRANT_GRPC_PORT,
        collection=server_collection,
        dimensions=DIMENSIONS,
    )
    await store.prepare()
    assert store.keyword_search, "the contract needs Qdrant 1.19 or later"
    yield store
    await store.close()


@pytest.fixture
async def apart() -> AsyncIterator[list[InOwnCollections]]:
    """Stores whose collections are erased at the end."""
    made: list[InOwnCollections] = []
    yield made
    for each in made:
        await each.close()


@pytest.fixture(params=[*STORES, *(f"{name}-own" for name in STORES)])
def vector_store(request: pytest.FixtureRequest) -> VectorStore:
    """Each implementation of `VectorStore`; tests share it and bring tenants of their own.

    Once with the points of all tenants in one collection, and once with each tenant's in its own.
    """
    name, own = request.param.removesuffix("-own"), request.param.endswith("-own")
    store: VectorStore = request.getfixturevalue(f"{name.replace('-', '_')}_store")
    if not own:
        return store
    made = InOwnCollections(store)
    request.getfixturevalue("apart").append(made)  # asked for last, so that it is closed first
    return made


@pytest.fixture(params=STORES)
def plain_store(request: pytest.FixtureRequest) -> VectorStore:
    """Each implementation, for tests that say themselves which collection they mean."""
    return request.getfixturevalue(f"{request.param.replace('-', '_')}_store")


@pytest.fixture
def ours(vector_store: VectorStore) -> TenantVectors:
    """A tenant without points."""
    return vector_store.tenant(new_tenant())


@pytest.fixture
def theirs(vector_store: VectorStore) -> TenantVectors:
    """Another tenant without points."""
    return vector_store.tenant(new_tenant())


def new_tenant() -> TenantId:
    return TenantId(f"ten_{secrets.token_hex(8)}")
