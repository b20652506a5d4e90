"""What every vector store does, whatever it is made of."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from tests.contract.conftest import new_tenant
from tests.contract.sample_points import (
    EAST,
    SeenHits,
    at_angle,
    content_hash,
    documents,
    look,
    point,
    texts,
    words,
)

from carrel.domain.document import Metadata, Scalar
from carrel.domain.errors import InvalidRequest
from carrel.domain.filter import AnyOf, Between, Condition, During, parse_filter
from carrel.domain.ids import ChunkId, DocumentId, TenantId
from carrel.domain.vector import SparseVector
from carrel.vectors.schema import chunk_id
from carrel.vectors.store import Point, TenantVectors, VectorStore

pytestmark = pytest.mark.usefixtures("unblocked_loop")

A = DocumentId("doc_a")
B = DocumentId("doc_b")

HOSTILE = [
    "",
    " ",
    "a\x00b",
    "'; DROP TABLE points; --",
    '{"must": []}',
    "*",
    "../../etc/passwd",
    "tenant_id",
    "Ünïcödé 🜁 名前",
    "e\u0301",
    "\u202eright-to-left",
    "x" * 2000,
]


async def publish(tenant: TenantVectors, *points: Point) -> None:
    """Stage and publish *points*, of one or more documents."""
    await tenant.stage(points)
    for document, version in {(p.document_id, p.version) for p in points}:
        await tenant.publish(document, version)


async def search(tenant: TenantVectors, text: str = "apple", limit: int = 100) -> SeenHits:
    return await look(tenant, EAST, words(text), limit=limit)


async def found_with(tenant: TenantVectors, *where: Condition) -> set[str]:
    """The documents that both lists return under *where*, which have to agree."""
    hits = await look(tenant, EAST, words("apple"), limit=100, where=where)
    assert documents(hits.dense) == documents(hits.sparse)
    return documents(hits.dense)


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


async def test_withdrawing_older_versions_leaves_newer_ones(ours: TenantVectors) -> None:
    await publish(ours, point(A, "apple two", version=2), point(A, "apple nine", version=9))
    await ours.withdraw(A, before=2)
    assert await ours.count(A) == 2
    await ours.withdraw(A, before=9)
    assert texts((await search(ours)).dense) == ["apple nine"]


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


async def test_dense_hits_come_best_first_with_their_cosine(ours: TenantVectors) -> None:
    far, near, middle = at_angle(80), at_angle(10), at_angle(40) * 7
    await publish(
        ours,
        point(A, "far", dense=far),
        point(A, "near", ordinal=1, dense=near),
        point(A, "middle", ordinal=2, dense=middle),
    )
    hits = await look(ours, EAST * 3, words("nothing"), limit=10)
    assert texts(hits.dense) == ["near", "middle", "far"]
    assert [hit.score for hit in hits.dense] == pytest.approx([0.9848, 0.7660, 0.1736], abs=1e-4)
    assert hits.sparse == []


async def test_sparse_hits_come_best_first_and_a_rare_word_counts_for_more(
    ours: TenantVectors,
) -> None:
    common = [point(A, f"common filler{i}", ordinal=i) for i in range(20)]
    await publish(ours, *common, point(B, "rare"), point(B, "rare common", ordinal=1))
    hits = await search(ours, "rare common", limit=3)
    assert texts(hits.sparse)[:2] == ["rare common", "rare"]
    assert hits.sparse[0].score > hits.sparse[1].score > hits.sparse[2].score > 0


async def test_a_query_without_words_finds_by_meaning_alone(ours: TenantVectors) -> None:
    await publish(ours, point(A))
    hits = await look(ours, EAST, SparseVector([], []), limit=10)
    assert texts(hits.dense) == ["apple"]
    assert hits.sparse == []


async def test_a_chunk_without_words_is_found_by_meaning(ours: TenantVectors) -> None:
    await publish(ours, point(A, ""))
    hits = await search(ours)
    assert texts(hits.dense) == [""]
    assert hits.sparse == []


@pytest.mark.parametrize("limit", [1, 3, 5])
async def test_each_list_has_at_most_limit_hits(ours: TenantVectors, limit: int) -> None:
    await publish(ours, *(point(A, f"apple {i}", ordinal=i) for i in range(5)))
    hits = await search(ours, limit=limit)
    assert len(hits.dense) == len(hits.sparse) == limit


METADATA: dict[str, Metadata] = {
    "en": {"lang": "en", "year": 2023, "score": 0.5, "at": "2023-05-01"},
    "de": {"lang": "de", "year": 2024, "score": -1, "at": "2024-02-29T12:00:00+02:00"},
    "both": {"lang": ["en", "de"], "year": 2025.0, "at": "2025-01-01T00:00:00Z"},
    "yes": {"flag": True},
    "one": {"flag": 1},
    "text": {"flag": "true"},
    "number": {"flag": "1"},
    "none": {},
}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ([AnyOf("lang", ("en",))], {"en", "both"}),
        ([AnyOf("lang", ("en", "de"))], {"en", "de", "both"}),
        ([AnyOf("lang", ("fr",))], set()),
        ([AnyOf("lang", ("en",)), AnyOf("lang", ("de",))], {"both"}),
        ([AnyOf("lang", ("en",)), AnyOf("year", (2023,))], {"en"}),
        ([AnyOf("year", (2025,))], {"both"}),
        ([AnyOf("year", (2024.0,))], {"de"}),
        ([AnyOf("score", (-1.0,))], {"de"}),
        ([AnyOf("flag", (True,))], {"yes"}),
        ([AnyOf("flag", (1,))], {"one"}),
        ([AnyOf("flag", ("true",))], {"text"}),
        ([AnyOf("flag", ("1",))], {"number"}),
        ([AnyOf("flag", (True, "1"))], {"yes", "number"}),
        ([AnyOf("flag", (False,))], set()),
        ([AnyOf("absent", ("",))], set()),
        ([Between("year", 2024, None)], {"de", "both"}),
        ([Between("year", None, 2024)], {"en", "de"}),
        ([Between("year", 2024, 2024)], {"de"}),
        ([Between("year", 2024.5, 2024.6)], set()),
        ([Between("score", -1, 0)], {"de"}),
        ([Between("lang", 0, None)], set()),
        ([During("at", datetime(2023, 5, 1, tzinfo=UTC), None)], {"en", "de", "both"}),
        ([During("at", datetime(2023, 5, 1, 0, 0, 1, tzinfo=UTC), None)], {"de", "both"}),
        ([During("at", None, datetime(2024, 2, 29, 10, 0, tzinfo=UTC))], {"en", "de"}),
        ([During("at", None, datetime(2024, 2, 29, 9, 59, tzinfo=UTC))], {"en"}),
        ([AnyOf("lang", ("de",)), Between("year", None, 2024.5)], {"de"}),
    ],
)
async def test_a_filter_narrows_both_lists(
    ours: TenantVectors, where: Sequence[Condition], expected: set[str]
) -> None:
    await publish(ours, *(point(name, metadata=data) for name, data in METADATA.items()))
    assert await found_with(ours, *where) == expected


@pytest.mark.parametrize("field", ["a-b", "1", "_", "metadata", "tenant_id", "x" * 64])
async def test_any_field_name_can_be_filtered_on(ours: TenantVectors, field: str) -> None:
    await publish(ours, point(A, metadata={field: 5}), point(B, metadata={field: 6}))
    assert await found_with(ours, AnyOf(field, (5,))) == {A}
    assert await found_with(ours, Between(field, 6, None)) == {B}


@pytest.mark.parametrize("value", ["", "=", "a=s:b", "ünï", "\x00", "y" * 1024, 2**62, -0.5])
async def test_any_value_can_be_filtered_on(ours: TenantVectors, value: Scalar) -> None:
    await publish(ours, point(A, metadata={"f": value}), point(B, metadata={"f": "other"}))
    assert await found_with(ours, AnyOf("f", (value,))) == {A}


async def test_a_filter_of_the_largest_size_is_answered(ours: TenantVectors) -> None:
    await publish(ours, point(A, metadata={f"f{i}": i for i in range(32)}))
    where = parse_filter({f"f{i}": [i, *(f"no{n}" for n in range(255))] for i in range(32)})
    assert await found_with(ours, *where) == {A}


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


async def test_staged_points_and_filters_do_not_change_a_score(ours: TenantVectors) -> None:
    await publish(ours, *(point(A, f"apple pear{i % 3}", ordinal=i) for i in range(9)))
    await publish(ours, point(B, "apple plum", metadata={"lang": "en"}))
    before = {hit.stored.chunk_id: hit.score for hit in (await search(ours, "plum pear1")).sparse}
    await ours.stage([point("doc_c", "plum", ordinal=i) for i in range(50)])
    narrowed = await look(
        ours, EAST, words("plum pear1"), limit=100, where=[AnyOf("lang", ("en",))]
    )
    assert {h.stored.chunk_id: h.score for h in (await search(ours, "plum pear1")).sparse} == before
    assert [hit.score for hit in narrowed.sparse] == [before[narrowed.sparse[0].stored.chunk_id]]


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


async def test_a_search_that_is_cancelled_does_not_answer_another(ours: TenantVectors) -> None:
    await publish(ours, *(point(A, f"apple {i}", ordinal=i) for i in range(50)))
    for _ in range(30):
        abandoned = asyncio.ensure_future(search(ours))
        await asyncio.sleep(0)
        abandoned.cancel()
        assert len((await search(ours, limit=2)).dense) == 2


async def test_a_store_that_answers_can_be_pinged(vector_store: VectorStore) -> None:
    await vector_store.ping()
