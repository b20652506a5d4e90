"""Collections of tenants' own on a Qdrant server: when they are made, checked and removed."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata
from qdrant_client import models
from tests.contract.local_qdrant import LocalQdrant
from tests.contract.own_collections import new_collection
from tests.contract.sample_points import DIMENSIONS, EAST, A, look, point, publish, words

from carrel.domain.errors import Unavailable
from carrel.domain.ids import ChunkId, CollectionName, TenantId
from carrel.vectors.server import collection
from carrel.vectors.server.connection import IncompatibleServer
from carrel.vectors.server.layout import INDEXES
from carrel.vectors.server.store import QdrantServerStore
from carrel.vectors.server.tenant import ServerTenantVectors

OURS = TenantId("ten_ours")
THEIRS = TenantId("ten_theirs")
SOME_ID = ChunkId("00000000-0000-0000-0000-000000000000")
OPERATIONS: dict[str, Callable[[ServerTenantVectors], Awaitable[object]]] = {
    "search": lambda own: own.search(EAST, words("apple"), limit=5),
    "fetch": lambda own: own.fetch([SOME_ID]),
    "count": lambda own: own.count(),
    "inventory": lambda own: own.inventory(),
    "read": lambda own: own.read(A, 1, range(3)),
    "publish": lambda own: own.publish(A, 1),
    "withdraw": lambda own: own.withdraw(A, before=9),
    "discard": lambda own: own.discard(A, 1),
    "erase": lambda own: own.erase(),
}


def a_store(qdrant: LocalQdrant, **named: Any) -> QdrantServerStore:
    return QdrantServerStore("http://unused", dimensions=DIMENSIONS, client=qdrant, **named)


async def names(qdrant: LocalQdrant) -> set[str]:
    return {each.name for each in (await qdrant.get_collections()).collections}


async def test_it_is_made_like_the_shared_one_with_one_graph_over_all() -> None:
    qdrant, name = LocalQdrant(), new_collection()
    store = a_store(
        qdrant, collection="c", shard_number=2, replication_factor=3, write_consistency_factor=2
    )
    await store.prepare()
    await store.tenant(OURS, collection=name).stage([point(A)])
    shared, own = qdrant.asked("create_collection")
    assert own["collection_name"] == f"c_{name}"
    assert own["hnsw_config"] == models.HnswConfigDiff(m=16, payload_m=0)
    assert {**own, "collection_name": "c", "hnsw_config": shared["hnsw_config"]} == shared
    made = [each["field_name"] for each in qdrant.asked("create_payload_index")]
    assert made == [*INDEXES, *INDEXES]


async def test_it_does_not_need_the_shared_one() -> None:
    qdrant, name = LocalQdrant(), new_collection()
    await publish(a_store(qdrant).tenant(OURS, collection=name), point(A))
    assert await names(qdrant) == {f"carrel_{name}"}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_nothing_but_staging_makes_it(
    operation: Callable[[ServerTenantVectors], Awaitable[object]],
) -> None:
    qdrant = LocalQdrant()
    own = a_store(qdrant).tenant(OURS, collection=new_collection())
    await operation(own)
    assert await names(qdrant) == set()


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_one_that_another_process_removed_is_empty_and_not_a_failure(
    operation: Callable[[ServerTenantVectors], Awaitable[object]],
) -> None:
    qdrant, name = LocalQdrant(), new_collection()
    here, elsewhere = (a_store(qdrant).tenant(OURS, collection=name) for _ in range(2))
    await publish(here, point(A))
    await elsewhere.erase()
    assert not await operation(here) or operation is OPERATIONS["search"]
    assert (await look(here, EAST, words("apple"), limit=5)).dense == []
    assert await names(qdrant) == set()


async def test_points_for_one_that_was_removed_are_for_their_job_to_write_again() -> None:
    qdrant, name = LocalQdrant(), new_collection()
    here, elsewhere = (a_store(qdrant).tenant(OURS, collection=name) for _ in range(2))
    await here.stage([point(A)])
    await elsewhere.erase()
    with pytest.raises(Unavailable, match="removed"):  # half a document is none
        await here.stage([point(A, ordinal=1)])
    await publish(here, point(A), point(A, ordinal=1))
    assert await here.count() == 2


async def test_the_shared_collection_is_never_taken_for_empty() -> None:
    qdrant = LocalQdrant()
    ours = a_store(qdrant).tenant(OURS)
    await publish(ours, point(A))
    await qdrant.delete_collection("carrel")
    for operation in OPERATIONS.values():
        with pytest.raises(Unavailable, match="collection is missing"):
            await operation(ours)


async def test_a_search_that_fails_is_no_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    qdrant, name = LocalQdrant(), new_collection()
    own = a_store(qdrant).tenant(OURS, collection=name)
    await publish(own, point(A))

    async def fail(*_: Any, **__: Any) -> None:
        raise AioRpcError(StatusCode.INTERNAL, Metadata(), Metadata(), "shard is not loaded")

    monkeypatch.setattr(qdrant, "query_batch_points", fail)
    with pytest.raises(Unavailable):
        await own.search(EAST, words("apple"), limit=5)


async def test_it_is_checked_once_before_it_is_used() -> None:
    qdrant, name = LocalQdrant(), new_collection()
    await a_store(qdrant).tenant(OURS, collection=name).stage([point(A)])
    other = QdrantServerStore("http://unused", dimensions=8, client=qdrant)
    for operation in OPERATIONS.values():
        with pytest.raises(IncompatibleServer, match="dimensions"):
            await operation(other.tenant(OURS, collection=name))
    looked = count_looks(qdrant)
    store = a_store(qdrant)
    for _ in range(3):
        await store.tenant(OURS, collection=name).count()
    assert looked == [f"carrel_{name}"]


async def test_as_many_are_remembered_as_checked_as_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collection, "REMEMBERED", 2)
    qdrant, store_names = LocalQdrant(), [new_collection() for _ in range(3)]
    store = a_store(qdrant)
    for name in store_names:
        await store.tenant(OURS, collection=name).stage([point(A)])
    looked = count_looks(qdrant)
    for name in (*store_names[1:], *store_names[1:], store_names[0], store_names[2]):
        assert await store.tenant(OURS, collection=name).count() == 0
    assert looked == [f"carrel_{store_names[0]}"]


def count_looks(qdrant: LocalQdrant) -> list[str]:
    """The collections that are looked at from now on."""
    looked: list[str] = []
    get_collection = qdrant.get_collection

    async def noted(name: str, **named: Any) -> models.CollectionInfo:
        looked.append(name)
        return await get_collection(name, **named)

    qdrant.get_collection = noted
    return looked


@pytest.mark.parametrize(
    "name", ["", "acme", "col_short", "../x", "col_" + "I" * 26, "_" + "0" * 26, "col_" + "0" * 27]
)
async def test_no_name_is_taken_that_carrel_does_not_make(name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        a_store(LocalQdrant()).tenant(OURS, collection=CollectionName(name))


async def test_erasing_removes_the_collection_unless_others_are_in_it() -> None:
    qdrant, name = LocalQdrant(), new_collection()
    store = a_store(qdrant)
    ours, theirs = (store.tenant(each, collection=name) for each in (OURS, THEIRS))
    await publish(ours, point(A))
    await publish(theirs, point(A))
    await theirs.erase()
    assert await names(qdrant) == {f"carrel_{name}"}
    assert (await ours.count(), await theirs.count()) == (1, 0)
    await ours.erase()
    assert await names(qdrant) == set()


async def test_before_1_19_there_is_no_keyword_search_in_it_either() -> None:
    qdrant = LocalQdrant("1.18.4")
    own = a_store(qdrant).tenant(OURS, collection=new_collection())
    await publish(own, point(A))
    hits = await own.search(EAST, words("apple"), limit=5)
    assert (len(hits.dense), len(hits.sparse)) == (1, 0)
