"""What a vector store tells about everything it holds of a tenant, so that it can be moved."""

import numpy as np
import pytest
from tests.contract.conftest import STORES, new_tenant
from tests.contract.own_collections import new_collection
from tests.contract.sample_points import DIMENSIONS, EAST, A, B, at_angle, point, publish, words

from carrel.domain.filter import AnyOf
from carrel.domain.ids import DocumentId
from carrel.domain.vector import DenseVector
from carrel.vectors.schema import published_to
from carrel.vectors.store import Hit, Point, StoredVersion, TenantVectors, VectorStore

pytestmark = [
    pytest.mark.usefixtures("unblocked_loop"),
    pytest.mark.parametrize(
        "vector_store",
        [*STORES, *(f"{name}-own" for name in STORES)],
        indirect=True,
    ),
]

STAGED = frozenset({()})
EVERYONE = frozenset({tuple(published_to([]))})


async def inventory(
    tenant: TenantVectors, document_id: DocumentId | None = None
) -> set[StoredVersion]:
    """The inventory as a set; a version listed twice fails the test."""
    listed = await tenant.inventory(document_id)
    assert len({(each.document_id, each.version) for each in listed}) == len(listed)
    return set(listed)


async def test_an_inventory_names_each_version_staged_or_published_to_whomever(
    ours: TenantVectors,
) -> None:
    await publish(ours, *(point(A, ordinal=i) for i in range(3)))
    await ours.stage([point(A, version=2, ordinal=i) for i in range(2)])
    await ours.stage([point(B, version=7)])
    await ours.publish(B, 7, ["law", "board"])
    groups = frozenset({tuple(sorted(published_to(["board", "law"])))})
    assert await inventory(ours) == {
        StoredVersion(A, 1, 3, EVERYONE),
        StoredVersion(A, 2, 2, STAGED),
        StoredVersion(B, 7, 1, groups),
    }
    assert await inventory(ours, A) == {
        StoredVersion(A, 1, 3, EVERYONE),
        StoredVersion(A, 2, 2, STAGED),
    }
    assert await inventory(ours, DocumentId("doc_c")) == set()


async def test_an_inventory_tells_a_version_that_is_published_in_part(ours: TenantVectors) -> None:
    await publish(ours, point(A), point(A, ordinal=1))
    await ours.stage([point(A, ordinal=1)])
    assert await inventory(ours) == {StoredVersion(A, 1, 2, STAGED | EVERYONE)}


async def test_an_inventory_follows_what_is_deleted(ours: TenantVectors) -> None:
    await publish(ours, point(A), point(A, version=2), point(B))
    await ours.withdraw(A, before=2)
    await ours.discard(B, 1)
    assert await inventory(ours) == {StoredVersion(A, 2, 1, EVERYONE)}
    await ours.erase()
    assert await inventory(ours) == set()


async def test_an_inventory_is_of_one_tenant(ours: TenantVectors, theirs: TenantVectors) -> None:
    await publish(theirs, point(A), point(B))
    assert await inventory(ours) == await inventory(ours, A) == set()
    assert len(await inventory(theirs)) == 2


async def test_an_inventory_of_many_points_counts_each_once(ours: TenantVectors) -> None:
    small = [point(f"doc_{number}") for number in range(300)]
    await ours.stage([*small, *(point(A, ordinal=i) for i in range(1000))])
    assert await inventory(ours) == {
        StoredVersion(A, 1, 1000, STAGED),
        *(StoredVersion(each.document_id, 1, 1, STAGED) for each in small),
    }


def assert_same(read: list[Point], staged: list[Point]) -> None:
    """The same points, with the vectors that are stored: normalised, and in 32 bits."""
    assert [(p.document_id, p.version, p.chunk, p.content_hash, p.metadata) for p in read] == [
        (p.document_id, p.version, p.chunk, p.content_hash, p.metadata) for p in staged
    ]
    assert [p.sparse for p in read] == [p.sparse for p in staged]
    for one, other in zip(read, staged, strict=True):
        assert one.dense.dtype == np.float32
        assert one.dense == pytest.approx(other.dense / np.linalg.norm(other.dense), abs=1e-6)


async def test_points_are_read_whole_staged_or_published(ours: TenantVectors) -> None:
    staged = [
        point(
            A, f"apple › Äpfel 🍎 {i}", version=3, ordinal=i, heading="Fruit", page=i or None,
            dense=at_angle(i) * (i + 1),
            metadata={"lang": ["en", "de"], "year": 2025, "half": 0.5, "whole": 2.0, "yes": True},
        )
        for i in range(5)
    ]  # fmt: skip
    await ours.stage(staged)
    assert_same(await ours.read(A, 3, range(5)), staged)
    await ours.publish(A, 3, ["board"])
    assert_same(await ours.read(A, 3, range(5)), staged)
    assert_same(await ours.read(A, 3, range(1, 3)), staged[1:3])
    assert_same(await ours.read(A, 3, range(4, 99)), staged[4:])
    assert await ours.read(A, 3, range(0)) == await ours.read(A, 2, range(5)) == []
    assert await ours.read(B, 3, range(5)) == []


async def test_numbers_in_metadata_keep_their_kind_when_read(ours: TenantVectors) -> None:
    metadata = {"whole": 2.0, "integer": 2, "large": 2**62, "flag": True}
    await ours.stage([point(A, metadata=metadata)])
    [read] = await ours.read(A, 1, range(1))
    assert {name: type(value) for name, value in read.metadata.items()} == {
        name: type(value) for name, value in metadata.items()
    }


async def test_a_chunk_without_words_is_read_with_its_vector(ours: TenantVectors) -> None:
    staged = [point(A, "")]
    await ours.stage(staged)
    assert_same(await ours.read(A, 1, range(1)), staged)


async def test_more_points_than_are_read_at_a_time_are_read_in_their_order(
    ours: TenantVectors,
) -> None:
    staged = [point(A, f"apple {i}", ordinal=i) for i in range(700)]
    await ours.stage(staged)
    assert_same(await ours.read(A, 1, range(700)), staged)


async def test_nothing_of_another_tenant_is_read(
    ours: TenantVectors, theirs: TenantVectors
) -> None:
    await publish(theirs, point(A))
    assert await ours.read(A, 1, range(10)) == []


async def test_a_copy_finds_the_same_with_the_same_scores(vector_store: VectorStore) -> None:
    """Read, staged elsewhere and published: to every caller it is as the original was."""
    tenant_id, name = new_tenant(), new_collection()
    source, target = (
        vector_store.tenant(tenant_id),
        vector_store.tenant(tenant_id, collection=name),
    )
    random = np.random.default_rng(1)
    for document in range(4):
        await source.stage(
            [
                point(
                    f"doc_{document}",
                    f"apple common word{i % 7} rare{i}",
                    ordinal=i,
                    dense=random.normal(size=DIMENSIONS).astype(np.float32) * 3,
                    metadata={"even": i % 2 == 0},
                )
                for i in range(70)
            ]
        )
        await source.publish(DocumentId(f"doc_{document}"), 1, ["board"] * (document == 3))

    for stored in await source.inventory():
        await target.stage(await source.read(stored.document_id, stored.version, range(70)))
        is_for_all = stored.audiences == EVERYONE
        await target.publish(stored.document_id, stored.version, [] if is_for_all else ["board"])

    assert set(await target.inventory()) == set(await source.inventory())
    for groups in ((), ("board",)):
        before = vector_store.tenant(tenant_id, groups)
        after = vector_store.tenant(tenant_id, groups, collection=name)
        for angle in (0, 77, 190):
            for where in ((), (AnyOf("even", (True,)),)):
                query = (at_angle(angle), words("apple word3 rare5"))
                was = await before.search(*query, limit=500, where=where)
                now = await after.search(*query, limit=500, where=where)
                assert scores(now.dense) == pytest.approx(scores(was.dense), abs=1e-6)
                assert scores(now.sparse) == scores(was.sparse)
    await target.erase()


def scores(hits: list[Hit]) -> dict[str, float]:
    return {hit.chunk_id: hit.score for hit in hits}


async def test_an_exact_search_finds_the_nearest_of_all(ours: TenantVectors) -> None:
    random = np.random.default_rng(2)
    vectors: list[DenseVector] = [
        random.normal(size=DIMENSIONS).astype(np.float32) for _ in range(200)
    ]
    await publish(
        ours, *(point(A, f"apple {i}", ordinal=i, dense=v) for i, v in enumerate(vectors))
    )
    nearest = sorted((float(v @ EAST / np.linalg.norm(v)) for v in vectors), reverse=True)[:10]
    found = await ours.search(EAST, words("apple"), limit=10, exact=True)
    assert [hit.score for hit in found.dense] == pytest.approx(nearest, abs=1e-6)
    assert len(found.sparse) == 10
