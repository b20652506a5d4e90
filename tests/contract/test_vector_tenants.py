"""What tenants, and groups within a tenant, see of each other in every vector store: nothing."""

import asyncio
import uuid

import pytest
from tests.contract.conftest import new_tenant
from tests.contract.sample_points import (
    HOSTILE,
    A,
    B,
    SeenHits,
    at_angle,
    documents,
    found_with,
    point,
    publish,
    search,
    texts,
)

from carrel.domain.filter import AnyOf, Between
from carrel.domain.ids import ChunkId, TenantId
from carrel.vectors.store import TenantVectors, VectorStore

pytestmark = pytest.mark.usefixtures("unblocked_loop")


async def test_a_document_of_groups_is_seen_by_those_groups_alone(
    vector_store: VectorStore,
) -> None:
    tenant_id = new_tenant()
    writer = vector_store.tenant(tenant_id)
    await writer.stage([point(A, "apple for all"), point(B, "apple for few")])
    await writer.publish(A, 1)
    await writer.publish(B, 1, ["law", "board"])

    async def seen(*groups: str) -> set[str]:
        handle = vector_store.tenant(tenant_id, groups)
        hits = await search(handle)
        assert documents(hits.dense) == documents(hits.sparse)
        assert await handle.count() == len(hits.dense)
        return documents(hits.dense)

    assert await seen() == {A}
    assert await seen("law") == await seen("sales", "board") == {A, B}
    for other in ("sales", "LAW", "la", "law,board", "everyone", "*", "group:law", ""):
        assert await seen(other) == {A}, other
    [hidden] = [
        each
        for each in (await search(vector_store.tenant(tenant_id, ["law"]))).dense
        if each.document_id == B
    ]
    assert await writer.fetch([hidden.stored.chunk_id]) == {}

    await writer.publish(B, 1, ["board"])
    assert await seen("law") == {A}
    await writer.publish(B, 1)
    assert await seen() == {A, B}


async def test_hidden_documents_do_not_change_a_score(vector_store: VectorStore) -> None:
    tenant_id = new_tenant()
    outsider = vector_store.tenant(tenant_id)
    await publish(outsider, point(A, "apple plum"), point(B, "apple pear"))
    before = await search(outsider, "apple plum")
    hidden = [point(f"h{i}", "plum plum", dense=at_angle(i)) for i in range(50)]
    await outsider.stage(hidden)
    for each in hidden:
        await outsider.publish(each.document_id, 1, ["board"])
    assert await search(outsider, "apple plum") == before


async def test_only_visible_chunks_of_ones_own_are_fetched(
    ours: TenantVectors, theirs: TenantVectors
) -> None:
    await publish(ours, point(A))
    await publish(theirs, point(A))
    [own] = (await search(ours)).dense
    [foreign] = (await search(theirs)).dense
    await ours.stage([point(B)])
    asked = [own.stored.chunk_id, foreign.stored.chunk_id, ChunkId(str(uuid.uuid4()))]
    assert await ours.fetch(asked) == {own.stored.chunk_id: own.stored}
    await ours.withdraw(A, before=2)
    assert await ours.fetch(asked) == await ours.fetch([]) == {}


async def test_the_same_names_in_two_tenants_are_two_documents(
    ours: TenantVectors, theirs: TenantVectors
) -> None:
    await publish(ours, point(A, "apple ours"))
    await publish(theirs, point(A, "apple theirs"))
    assert texts((await search(ours)).dense) == ["apple ours"]
    assert texts((await search(theirs)).sparse) == ["apple theirs"]
    assert await ours.count() == await theirs.count() == 1


async def test_no_operation_reaches_another_tenants_points(
    ours: TenantVectors, theirs: TenantVectors
) -> None:
    await publish(theirs, point(A, "apple theirs"))
    await theirs.stage([point(A, "apple staged", version=2)])
    before = await search(theirs)

    await ours.publish(A, 2)
    await ours.withdraw(A, before=100)
    await ours.withdraw(A, before=2)
    await ours.discard(A, 1)
    await ours.erase()

    assert await ours.count(A) == 0
    assert await search(ours) == SeenHits([], [])
    assert await search(theirs) == before
    await theirs.publish(A, 2)
    assert await theirs.count() == 2


async def test_a_filter_does_not_reach_another_tenants_points(
    ours: TenantVectors, theirs: TenantVectors
) -> None:
    await publish(theirs, point(A, metadata={"tenant_id": "ours", "year": 1}))
    assert await found_with(ours, AnyOf("tenant_id", ("ours",))) == set()
    assert await found_with(ours, Between("year", None, None)) == set()


async def test_what_others_write_does_not_change_a_score_by_a_bit(
    ours: TenantVectors, theirs: TenantVectors
) -> None:
    await publish(
        ours,
        *(point(A, f"apple pear{i % 3}", ordinal=i, dense=at_angle(i)) for i in range(30)),
        point(B, "apple plum"),
    )
    before = await search(ours, "apple plum pear1")
    await publish(theirs, *(point(f"d{i}", "apple plum pear1") for i in range(200)))
    assert await search(ours, "apple plum pear1") == before


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_tenant_id_is_only_ever_a_name(vector_store: VectorStore, name: str) -> None:
    tenant = vector_store.tenant(TenantId(f"{new_tenant()}{name}"))
    neighbour = vector_store.tenant(TenantId(f"{new_tenant()}{name}."))
    await publish(neighbour, point(A))
    await publish(tenant, point(A), point(B))
    assert await tenant.count() == 2
    assert documents((await search(tenant)).sparse) == {A, B}
    await tenant.erase()
    assert await tenant.count() == 0
    assert await neighbour.count() == 1


async def test_writers_and_readers_of_many_tenants_do_not_disturb_each_other(
    vector_store: VectorStore,
) -> None:
    async def live(name: str) -> tuple[int, set[str]]:
        tenant = vector_store.tenant(new_tenant())
        for version in range(1, 4):
            points = [point(A, f"apple {name}", version=version, ordinal=i) for i in range(20)]
            await publish(tenant, *points)
            await tenant.withdraw(A, before=version)
        hits = await search(tenant)
        return await tenant.count(), set(texts(hits.dense))

    outcomes = await asyncio.gather(*(live(f"t{i}") for i in range(20)))
    assert outcomes == [(20, {f"apple t{i}"}) for i in range(20)]
