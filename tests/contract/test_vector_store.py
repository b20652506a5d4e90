"""What becomes of a document's points in every vector store: staged, published, deleted."""

import pytest
from tests.contract.conftest import new_tenant
from tests.contract.sample_points import (
    HOSTILE,
    A,
    B,
    SeenHits,
    at_angle,
    content_hash,
    documents,
    point,
    publish,
    search,
    texts,
)

from carrel.domain.errors import InvalidRequest
from carrel.domain.ids import DocumentId
from carrel.vectors.schema import chunk_id
from carrel.vectors.store import Point, TenantVectors, VectorStore

pytestmark = pytest.mark.usefixtures("unblocked_loop")


async def test_a_staged_point_is_invisible(ours: TenantVectors) -> None:
    await ours.stage([point(A)])
    assert await search(ours) == SeenHits([], [])
    assert await ours.count() == 0
    assert await ours.count(A) == 0


async def test_a_published_point_is_returned_as_it_was_staged(vector_store: VectorStore) -> None:
    tenant_id = new_tenant()
    ours = vector_store.tenant(tenant_id)
    staged = point(
        A, "apple › Äpfel 🍎", version=3, ordinal=7, heading="Fruit › Pome", page=12,
        metadata={"lang": "en"},
    )  # fmt: skip
    await publish(ours, staged)
    hits = await search(ours)
    assert len(hits.dense) == len(hits.sparse) == 1
    for hit in (hits.dense[0], hits.sparse[0]):
        assert hit.stored.chunk_id == chunk_id(tenant_id, A, 3, 7)
        assert (hit.document_id, hit.version) == (A, 3)
        assert hit.chunk == staged.chunk
        assert hit.stored.content_hash == content_hash(staged.chunk.text)


async def test_a_chunk_without_heading_and_page_comes_back_without(ours: TenantVectors) -> None:
    await publish(ours, point(A))
    chunk = (await search(ours)).dense[0].chunk
    assert chunk.heading == ""
    assert chunk.page is None


async def test_publishing_shows_one_version_of_one_document(ours: TenantVectors) -> None:
    await ours.stage([point(A), point(A, version=2), point(B)])
    await ours.publish(A, 1)
    hits = await search(ours)
    assert [(hit.document_id, hit.version) for hit in hits.dense] == [(A, 1)]


async def test_publishing_what_is_not_there_does_nothing(ours: TenantVectors) -> None:
    await ours.publish(A, 1)
    assert await ours.count() == 0


async def test_a_document_larger_than_any_batch_is_published_whole(ours: TenantVectors) -> None:
    points = [point(A, f"apple {i}", ordinal=i) for i in range(333)]
    await ours.stage(points)
    assert await ours.count() == 0
    await ours.publish(A, 1)
    assert await ours.count() == 333
    hits = await search(ours, limit=1000)
    assert sorted(texts(hits.dense)) == sorted(p.chunk.text for p in points)


async def test_a_new_version_replaces_the_old_one(ours: TenantVectors) -> None:
    await publish(ours, point(A, "apple old", ordinal=0), point(A, "apple gone", ordinal=1))
    await publish(ours, point(A, "apple new", version=2))
    await ours.withdraw(A, before=2)
    hits = await search(ours)
    assert texts(hits.dense) == texts(hits.sparse) == ["apple new"]
    assert await ours.count(A) == 1


async def test_withdrawing_older_versions_leaves_newer_ones(ours: TenantVectors) -> None:
    await publish(ours, point(A, "apple two", version=2), point(A, "apple nine", version=9))
    await ours.withdraw(A, before=2)
    assert await ours.count(A) == 2
    await ours.withdraw(A, before=9)
    assert texts((await search(ours)).dense) == ["apple nine"]


async def test_withdrawing_keeps_the_staged_points_of_the_version_to_keep(
    ours: TenantVectors,
) -> None:
    await publish(ours, point(A))
    await ours.stage([point(A, "apple next", version=2)])
    await ours.withdraw(A, before=2)
    assert await ours.count() == 0
    await ours.publish(A, 2)
    assert texts((await search(ours)).dense) == ["apple next"]


async def test_withdrawing_deletes_staged_and_visible_points(ours: TenantVectors) -> None:
    await publish(ours, point(A), point(B))
    await ours.stage([point(A, version=2)])
    await ours.withdraw(A, before=100)
    await ours.publish(A, 2)
    assert documents((await search(ours)).dense) == {B}


async def test_discarding_deletes_one_version(ours: TenantVectors) -> None:
    await publish(ours, point(A), point(A, "apple two", version=2), point(B, version=2))
    await ours.discard(A, 2)
    hits = await search(ours)
    assert {(hit.document_id, hit.version) for hit in hits.dense} == {(A, 1), (B, 2)}


async def test_erasing_leaves_nothing_of_the_tenant(ours: TenantVectors) -> None:
    await publish(ours, point(A), point(B))
    await ours.stage([point(A, version=2)])
    await ours.erase()
    await ours.publish(A, 2)
    assert await ours.count() == 0
    assert await search(ours) == SeenHits([], [])


async def test_more_points_than_are_deleted_at_a_time_are_all_deleted(ours: TenantVectors) -> None:
    await publish(ours, *(point(A, f"apple {i}", ordinal=i) for i in range(1100)), point(B))
    await ours.withdraw(A, before=100)
    assert await ours.count() == 1
    assert documents((await search(ours)).dense) == {B}


async def test_deleting_what_is_not_there_does_nothing(ours: TenantVectors) -> None:
    await publish(ours, point(A))
    await ours.withdraw(B, before=100)
    await ours.withdraw(A, before=1)
    await ours.discard(A, 9)
    assert await ours.count() == 1


async def test_staging_the_same_chunk_again_replaces_it(ours: TenantVectors) -> None:
    await ours.stage([point(A, "apple first"), point(A, "apple second", ordinal=1)])
    await ours.stage([point(A, "apple better", dense=at_angle(60))])
    await ours.publish(A, 1)
    hits = await search(ours)
    assert texts(hits.dense) == ["apple second", "apple better"]
    assert sorted(texts(hits.sparse)) == ["apple better", "apple second"]
    assert await ours.count() == 2


async def test_a_job_that_is_run_again_changes_nothing(ours: TenantVectors) -> None:
    points = [point(A, f"apple {i}", ordinal=i, dense=at_angle(10 * i)) for i in range(5)]
    await publish(ours, *points)
    before = await search(ours)
    await publish(ours, *points)
    assert await search(ours) == before


async def test_staging_nothing_is_allowed(ours: TenantVectors) -> None:
    await ours.stage([])
    assert await ours.count() == 0


async def test_a_tenant_without_points_finds_nothing(ours: TenantVectors) -> None:
    assert await search(ours) == SeenHits([], [])
    assert await ours.count() == 0
    await ours.withdraw(A, before=100)
    await ours.erase()


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_document_id_is_only_ever_a_name(ours: TenantVectors, name: str) -> None:
    document = DocumentId(name)
    await publish(ours, point(name), point(f"{name}."))
    assert documents((await search(ours)).dense) == {name, f"{name}."}
    assert await ours.count(document) == 1
    await ours.withdraw(document, before=100)
    assert documents((await search(ours)).dense) == {f"{name}."}


@pytest.mark.parametrize(
    "unstorable",
    [
        point(A, metadata={"f": "\ud800"}),
        point(A, metadata={"f": 2**80}),
        point(A, metadata={"f": float("inf")}),
        point(A, metadata={"f": float("nan")}),
    ],
    ids=["surrogate", "80 bits", "infinite", "not a number"],
)
async def test_what_can_not_be_stored_is_refused(ours: TenantVectors, unstorable: Point) -> None:
    with pytest.raises(InvalidRequest):
        await ours.stage([unstorable])
    await publish(ours, point(B))
    assert documents((await search(ours)).dense) == {B}


async def test_a_store_that_answers_can_be_pinged(vector_store: VectorStore) -> None:
    await vector_store.ping()
