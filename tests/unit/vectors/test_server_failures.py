"""What becomes of a request when the Qdrant server fails, over real gRPC connections."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from grpc import StatusCode
from tests.contract.qdrant_wire import WireQdrant, listening
from tests.contract.sample_points import DIMENSIONS, EAST, point, words

from carrel.domain.errors import CarrelError, StorageFull, TooLarge, Unavailable
from carrel.domain.ids import ChunkId, DocumentId, TenantId
from carrel.remote.breaker import FAILURES
from carrel.vectors.server.client import CONNECTIONS
from carrel.vectors.server.store import QdrantServerStore
from carrel.vectors.server.tenant import ServerTenantVectors

pytestmark = pytest.mark.usefixtures("unblocked_loop")

A = DocumentId("doc_a")
TENANT = TenantId("ten_a")
SOME_ID = ChunkId("00000000-0000-0000-0000-000000000000")


async def a_store(port: int, **seconds: float) -> QdrantServerStore:
    return await asyncio.to_thread(
        lambda: QdrantServerStore(
            "http://127.0.0.1", grpc_port=port, dimensions=DIMENSIONS, **seconds
        )
    )


@pytest.fixture
def qdrant() -> WireQdrant:
    return WireQdrant()


@pytest.fixture
async def store(qdrant: WireQdrant) -> AsyncIterator[QdrantServerStore]:
    async with listening(qdrant) as port:
        store = await a_store(port)
        await store.prepare()
        qdrant.messages.clear()
        yield store
        await store.close()


@pytest.fixture
def tenant(store: QdrantServerStore) -> ServerTenantVectors:
    return store.tenant(TENANT)


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    ("code", "details", "raised"),
    [
        (StatusCode.UNAVAILABLE, "connection reset", Unavailable),
        (StatusCode.DEADLINE_EXCEEDED, "timeout", Unavailable),
        (StatusCode.INTERNAL, "Service internal error: 1 of 3 read operations failed", Unavailable),
        (StatusCode.UNKNOWN, "h2 protocol error", Unavailable),
        (StatusCode.RESOURCE_EXHAUSTED, "Rate limit exceeded", Unavailable),
        (StatusCode.UNAUTHENTICATED, "Must provide an API key", Unavailable),
        (StatusCode.PERMISSION_DENIED, "Forbidden", Unavailable),
        (StatusCode.NOT_FOUND, "Collection `carrel` doesn't exist!", Unavailable),
        (
            StatusCode.INTERNAL,
            "Service internal error: No space left on device: WAL buffer size exceeds available "
            "disk space",
            StorageFull,
        ),
        (StatusCode.INVALID_ARGUMENT, "Disk usage is at 95% of total capacity", StorageFull),
        (StatusCode.INVALID_ARGUMENT, "Resident memory usage is at 90% of total", Unavailable),
        (StatusCode.INVALID_ARGUMENT, "Index required but not found for x", CarrelError),
        (StatusCode.UNIMPLEMENTED, "", CarrelError),
    ],
)
async def test_each_failure_has_its_meaning(
    qdrant: WireQdrant,
    tenant: ServerTenantVectors,
    code: StatusCode,
    details: str,
    raised: type[CarrelError],
) -> None:
    qdrant.failure = (code, details)
    operations = [
        tenant.stage([point(A)]),
        tenant.publish(A, 1),
        tenant.erase(),
        tenant.search(EAST, words("apple"), limit=5),
        tenant.fetch([SOME_ID]),
        tenant.count(),
    ]
    for operation in operations:
        with pytest.raises(CarrelError) as error:
            await operation
        assert error.value.code == raised.code


async def test_a_server_that_limits_says_how_long_to_wait(
    qdrant: WireQdrant, tenant: ServerTenantVectors
) -> None:
    qdrant.failure, qdrant.retry_after = (StatusCode.RESOURCE_EXHAUSTED, "Rate limit"), "17"
    with pytest.raises(Unavailable) as error:
        await tenant.count()
    assert error.value.retry_after_seconds == 17


async def test_a_silent_server_is_not_waited_for(qdrant: WireQdrant) -> None:
    async with listening(qdrant) as port:
        store = await a_store(port, read_timeout_seconds=0.1, write_timeout_seconds=0.1)
        qdrant.silent = True
        with pytest.raises(Unavailable, match=r"within 0\.1 s"):
            await store.tenant(TENANT).count()
        await store.close()


async def test_without_a_server_every_operation_is_unavailable_until_it_is_there(
    qdrant: WireQdrant,
) -> None:
    port = a_free_port()
    store = await a_store(port)
    tenant = store.tenant(TENANT)
    for operation in (store.prepare(), store.ping(), store.describe(), tenant.count()):
        with pytest.raises(Unavailable):
            await operation
    async with listening(qdrant, port):
        await until_it_answers(store)
        assert await tenant.count() == 0
        assert store.keyword_search
    await store.close()


async def test_a_server_that_restarts_is_found_again(qdrant: WireQdrant) -> None:
    async with listening(qdrant) as port:
        store = await a_store(port)
        await store.ping()
    with pytest.raises(Unavailable):
        await store.ping()
    async with listening(qdrant, port):
        await until_it_answers(store)
    await store.close()


async def test_a_server_that_is_gone_costs_its_callers_nothing_after_a_few_failures(
    qdrant: WireQdrant,
) -> None:
    async with listening(qdrant) as port:
        store = await a_store(port)
        tenant = store.tenant(TENANT)
        await tenant.count()
        qdrant.failure = (StatusCode.UNAVAILABLE, "going down")
        for _ in range(FAILURES):
            with pytest.raises(Unavailable):
                await tenant.stage([point(A)])
        qdrant.messages.clear()
        for operation in (tenant.count, store.ping, lambda: tenant.publish(A, 1)):
            with pytest.raises(Unavailable) as refused:
                await operation()
            assert refused.value.retry_after_seconds == 1
        assert qdrant.messages == []
        await store.close()


async def test_a_server_that_is_killed_and_restarted_is_asked_again(qdrant: WireQdrant) -> None:
    async with listening(qdrant) as port:
        store = await a_store(port)
        tenant = store.tenant(TENANT)
        await tenant.stage([point(A)])
        await tenant.publish(A, 1)
    for _ in range(3 * FAILURES):
        with pytest.raises(Unavailable):
            await tenant.count()
    async with listening(qdrant, port):
        await until_it_answers(store)
        assert await asyncio.gather(*(tenant.count() for _ in range(20))) == [1] * 20
    await store.close()


async def test_a_server_that_is_gone_does_not_slow_another(qdrant: WireQdrant) -> None:
    dead = await a_store(a_free_port())
    async with listening(qdrant) as port:
        alive = await a_store(port)
        for _ in range(2 * FAILURES):
            with pytest.raises(Unavailable):
                await dead.tenant(TENANT).count()
            assert await alive.tenant(TENANT).count() == 0
        await alive.close()
    await dead.close()


async def until_it_answers(store: QdrantServerStore) -> None:
    for _ in range(200):
        try:
            return await store.ping()
        except Unavailable:
            await asyncio.sleep(0.05)  # the client tries again by itself, in its own time
    pytest.fail("the server was not found")


async def test_a_read_that_lost_its_server_is_sent_again(
    qdrant: WireQdrant, tenant: ServerTenantVectors
) -> None:
    await tenant.stage([point(A)])
    await tenant.publish(A, 1)
    qdrant.failure = (StatusCode.UNAVAILABLE, "the node is going down")
    for read in (tenant.count, lambda: tenant.search(EAST, words("apple"), limit=5)):
        qdrant.failures_left = 2
        qdrant.messages.clear()
        assert await read()
        assert len(qdrant.messages) == 3


async def test_a_write_that_failed_is_its_callers_to_repeat(
    qdrant: WireQdrant, tenant: ServerTenantVectors
) -> None:
    qdrant.failure = (StatusCode.UNAVAILABLE, "the node is going down")
    with pytest.raises(Unavailable):
        await tenant.stage([point(A)])
    assert len(qdrant.messages) == 1


async def test_points_that_are_too_large_together_are_written_apart(
    qdrant: WireQdrant, tenant: ServerTenantVectors
) -> None:
    qdrant.failure = (StatusCode.OUT_OF_RANGE, "decoded message length too large")
    qdrant.failures_left = 3
    await tenant.stage([point(A, ordinal=i) for i in range(8)])
    assert [len(message.points) for message in qdrant.messages] == [8, 4, 2, 1, 1, 2, 4]
    await tenant.publish(A, 1)
    assert await tenant.count() == 8


async def test_a_single_point_that_is_too_large_is_refused(
    qdrant: WireQdrant, tenant: ServerTenantVectors
) -> None:
    qdrant.failure = (StatusCode.OUT_OF_RANGE, "decoded message length too large")
    with pytest.raises(TooLarge):
        await tenant.stage([point(A)])


async def test_requests_are_spread_over_a_pool_of_connections(
    qdrant: WireQdrant, tenant: ServerTenantVectors
) -> None:
    await asyncio.gather(*(tenant.count() for _ in range(5 * CONNECTIONS)))
    assert len(qdrant.peers) == CONNECTIONS
