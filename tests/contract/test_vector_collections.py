"""Collections of a tenant's own, in every vector store that has them."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.contract.conftest import new_tenant
from tests.contract.own_collections import new_collection
from tests.contract.sample_points import (
    A,
    B,
    SeenHits,
    at_angle,
    documents,
    point,
    publish,
    search,
    texts,
)

from carrel.vectors.schema import chunk_id
from carrel.vectors.store import TenantVectors, VectorStore

pytestmark = pytest.mark.usefixtures("unblocked_loop")

Operation = Callable[[TenantVectors], Awaitable[object]]


async def assert_empty(tenant: TenantVectors) -> None:
    assert await search(tenant) == SeenHits([], [])
    assert await tenant.count() == await tenant.count(A) == 0
    assert await tenant.inventory() == []
    assert await tenant.read(A, 1, range(10)) == []


async def test_a_collection_that_nobody_wrote_to_reads_as_empty(plain_store: VectorStore) -> None:
    tenant_id = new_tenant()
    ours = plain_store.tenant(tenant_id, collection=new_collection())
    await assert_empty(ours)
    assert await ours.fetch([chunk_id(tenant_id, A, 1, 0)]) == {}
    await ours.publish(A, 1)
    await ours.withdraw(A, before=9)
    await ours.discard(A, 1)
    await ours.erase()
    await ours.stage([])
    await assert_empty(ours)


async def test_collections_see_nothing_of_each_other(plain_store: VectorStore) -> None:
    us, them = new_tenant(), new_tenant()
    handles = {
        "shared ours": plain_store.tenant(us),
        "shared theirs": plain_store.tenant(them),
        "own ours": plain_store.tenant(us, collection=new_collection()),
        "own theirs": plain_store.tenant(them, collection=new_collection()),
        "second ours": plain_store.tenant(us, collection=new_collection()),
    }
    for where, handle in handles.items():
        await publish(handle, point(A, f"apple {where}"))
    for where, handle in handles.items():
        hits = await search(handle)
        assert texts(hits.dense) == texts(hits.sparse) == [f"apple {where}"]
        assert await handle.count() == 1
        assert [each.points for each in await handle.inventory()] == [1]
    await handles["own ours"].erase()
    await assert_empty(handles.pop("own ours"))
    for where, handle in handles.items():
        assert texts((await search(handle)).dense) == [f"apple {where}"]


async def test_what_other_collections_hold_does_not_change_a_score(
    plain_store: VectorStore,
) -> None:
    tenant_id = new_tenant()
    ours = plain_store.tenant(tenant_id, collection=new_collection())
    await publish(ours, point(A, "apple pear"), point(B, "apple plum", dense=at_angle(30)))
    before = await search(ours, "plum apple")
    elsewhere = (plain_store.tenant(tenant_id), plain_store.tenant(new_tenant()))
    for other in elsewhere:
        await publish(other, *(point(f"d{i}", "plum") for i in range(100)))
    assert await search(ours, "plum apple") == before


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(lambda other: other.stage([point(A, "apple intruder")]), id="stage"),
        pytest.param(lambda other: other.publish(A, 2), id="publish"),
        pytest.param(lambda other: other.publish(A, 1, ["board"]), id="publish to a group"),
        pytest.param(lambda other: other.withdraw(A, before=9), id="withdraw"),
        pytest.param(lambda other: other.discard(A, 1), id="discard"),
        pytest.param(lambda other: other.erase(), id="erase"),
    ],
)
async def test_another_tenant_that_names_a_collection_sees_and_changes_nothing(
    plain_store: VectorStore, operation: Operation
) -> None:
    us, them, name = new_tenant(), new_tenant(), new_collection()
    ours = plain_store.tenant(us, collection=name)
    intruder = plain_store.tenant(them, ["law"], collection=name)
    await publish(ours, point(A, "apple ours"))
    await ours.stage([point(A, "apple staged", version=2)])
    hits, stored = await search(ours), set(await ours.inventory())

    await assert_empty(intruder)
    assert await intruder.fetch([hits.dense[0].stored.chunk_id]) == {}
    await operation(intruder)

    assert await search(ours) == hits
    assert set(await ours.inventory()) == stored
    await ours.publish(A, 2)
    assert sorted(texts((await search(ours)).dense)) == ["apple ours", "apple staged"]


async def test_an_erased_collection_reads_as_empty_and_can_be_written_again(
    plain_store: VectorStore,
) -> None:
    ours = plain_store.tenant(new_tenant(), collection=new_collection())
    for name in ("first", "second"):
        await publish(ours, point(A, f"apple {name}"))
        await ours.stage([point(B, "apple staged")])
        assert texts((await search(ours)).dense) == [f"apple {name}"]
        await ours.erase()
        await assert_empty(ours)
        await ours.erase()
        await ours.publish(B, 1)
        await assert_empty(ours)


async def test_many_may_write_a_new_collection_at_once(plain_store: VectorStore) -> None:
    ours = plain_store.tenant(new_tenant(), collection=new_collection())
    names = [f"doc_{number}" for number in range(12)]
    await asyncio.gather(*(publish(ours, point(name, f"apple {name}")) for name in names))
    assert documents((await search(ours)).dense) == set(names)
