"""What the adapter asks of a Qdrant server: each request names the tenant, and how to do it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from qdrant_client import models
from tests.contract.local_qdrant import LocalQdrant
from tests.contract.sample_points import DIMENSIONS, EAST, point, words

from carrel.domain.errors import InvalidRequest, IsolationViolation, Unavailable
from carrel.domain.filter import AnyOf, Between, During
from carrel.domain.ids import ChunkId, CollectionName, DocumentId, TenantId
from carrel.domain.vector import SparseVector
from carrel.vectors import schema
from carrel.vectors.server import filters, points
from carrel.vectors.server.store import QdrantServerStore
from carrel.vectors.server.tenant import SLICE_POINTS, ServerTenantVectors

OURS = TenantId("ten_ours")
THEIRS = TenantId("ten_theirs")
A = DocumentId("doc_a")
SOME_ID = ChunkId("00000000-0000-0000-0000-000000000000")
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
FILTERED = ("query_batch_points", "scroll", "count", "set_payload", "delete")


@pytest.fixture
def qdrant() -> LocalQdrant:
    return LocalQdrant()


@pytest.fixture
async def store(qdrant: LocalQdrant) -> AsyncIterator[QdrantServerStore]:
    store = QdrantServerStore("http://unused", dimensions=DIMENSIONS, client=qdrant)
    yield store
    await store.close()


@pytest.fixture(params=[None, CollectionName("col_" + "0" * 26)], ids=["shared", "own"])
def ours(store: QdrantServerStore, request: pytest.FixtureRequest) -> ServerTenantVectors:
    return store.tenant(OURS, ["law"], collection=request.param)


async def do_everything(tenant: ServerTenantVectors) -> None:
    """Every operation that answers callers, and those for moving and erasing."""
    await tenant.stage([point(A)])
    await tenant.publish(A, 1)
    await tenant.search(EAST, words("apple"), limit=5, where=[AnyOf("lang", ("en",))])
    await tenant.fetch([SOME_ID])
    await tenant.count()
    await tenant.count(A)
    await tenant.inventory()
    await tenant.inventory(A)
    await tenant.read(A, 1, range(3))
    await tenant.withdraw(A, before=1)
    await tenant.discard(A, 1)
    await tenant.erase()


def scopes(method: str, arguments: dict[str, Any]) -> list[models.Filter]:
    """Every filter of a request: those of its searches, and those that they compute IDF over."""
    match method:
        case "query_batch_points":
            each = arguments["requests"]
            assert not any(request.prefetch for request in each)
            corpora = [request.params.idf.corpus for request in each if request.params]
            return [*(request.filter for request in each), *corpora]
        case "scroll":
            return [arguments["scroll_filter"]]
        case "count":
            return [arguments["count_filter"]]
        case "set_payload":
            return [arguments["points"]]
        case "delete":
            return [arguments["points_selector"].filter]
        case "upsert":
            return [arguments["update_filter"]]
        case other:
            raise AssertionError(f"no test knows where {other} says which tenant")


def demands(scope: models.Filter, field: str) -> Any:
    """What *scope* demands of *field* at its top level, with nothing that would let others in."""
    assert scope.should is None
    assert scope.min_should is None
    assert isinstance(scope.must, list)
    [condition] = [c for c in scope.must if getattr(c, "key", None) == field]
    assert isinstance(condition, models.FieldCondition)
    return condition.match


async def test_every_request_demands_the_tenant_at_the_top_level(
    ours: ServerTenantVectors, qdrant: LocalQdrant
) -> None:
    await do_everything(ours)
    requests = qdrant.on_points()
    assert {request.method for request in requests} == {*FILTERED, "upsert"}
    for request in requests:
        for scope in scopes(request.method, request.arguments):
            if scope != filters.of_others(OURS):  # counted before a collection is dropped
                demanded = demands(scope, schema.TENANT)
                assert demanded == models.MatchValue(value=OURS), request.method


async def test_every_read_demands_that_the_caller_may_see(
    ours: ServerTenantVectors, qdrant: LocalQdrant
) -> None:
    await ours.stage([point(A)])
    await ours.search(EAST, words("apple"), limit=5, where=[AnyOf("lang", ("en",))])
    await ours.fetch([SOME_ID])
    await ours.count()
    await ours.count(A)
    sees = models.MatchAny(any=["everyone", "group:law"])
    for method in ("query_batch_points", "scroll", "count"):
        assert qdrant.asked(method)
        for arguments in qdrant.asked(method):
            for scope in scopes(method, arguments):
                assert demands(scope, schema.VISIBLE_TO) == sees, method


async def test_every_write_waits_and_keeps_its_order(
    ours: ServerTenantVectors, qdrant: LocalQdrant
) -> None:
    await do_everything(ours)
    for method in ("upsert", "set_payload", "delete"):
        assert qdrant.asked(method)
        for arguments in qdrant.asked(method):
            assert arguments["wait"] is True
            assert arguments["ordering"] == models.WriteOrdering.MEDIUM


async def test_every_read_tells_the_server_when_to_stop(
    ours: ServerTenantVectors, qdrant: LocalQdrant
) -> None:
    await do_everything(ours)
    for method in ("query_batch_points", "scroll", "count"):
        assert [a["timeout"] for a in qdrant.asked(method)] == [5] * len(qdrant.asked(method))


async def test_idf_is_computed_over_what_the_caller_sees_whatever_is_filtered(
    ours: ServerTenantVectors, qdrant: LocalQdrant
) -> None:
    await ours.stage([point(A)])
    await ours.search(EAST, words("apple"), limit=5, where=[AnyOf("lang", ("en",))])
    [[dense, sparse]] = [each["requests"] for each in qdrant.asked("query_batch_points")]
    assert (dense.using, dense.params) == (schema.DENSE, None)
    assert sparse.using == schema.SPARSE
    assert sparse.params.idf.corpus == filters.visible(OURS, ["everyone", "group:law"])
    assert sparse.filter == dense.filter != sparse.params.idf.corpus
    assert not dense.with_payload
    assert not sparse.with_payload


async def test_an_upsert_leaves_another_tenants_point_as_it_is(
    store: QdrantServerStore, qdrant: LocalQdrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points.schema, "chunk_id", lambda *_: SOME_ID)
    await store.tenant(THEIRS).stage([point(A, "theirs")])
    await store.tenant(THEIRS).publish(A, 1)
    await store.tenant(OURS).stage([point(A, "ours")])
    await store.tenant(OURS).publish(A, 1)
    kept = await store.tenant(THEIRS).fetch([SOME_ID])
    assert kept[SOME_ID].chunk.text == "theirs"
    assert await store.tenant(OURS).count() == 0


async def test_another_tenants_payload_is_an_alarm_and_never_data(
    ours: ServerTenantVectors, qdrant: LocalQdrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = models.Record(
        id=SOME_ID,
        payload=schema.to_payload(THEIRS, point(A)),
        vector={schema.DENSE: EAST.tolist()},
    )

    async def careless(*_: Any, **__: Any) -> tuple[list[models.Record], None]:
        return [foreign], None

    await ours.stage([point(A)])
    monkeypatch.setattr(qdrant, "scroll", careless)
    for read in (ours.fetch([SOME_ID]), ours.inventory(), ours.read(A, 1, range(1))):
        with pytest.raises(IsolationViolation):
            await read


@pytest.mark.parametrize("method", ["upsert", "set_payload", "delete"])
async def test_a_write_that_is_not_yet_applied_is_no_success(
    ours: ServerTenantVectors, qdrant: LocalQdrant, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    await ours.stage([point(A)])

    async def late(*_: Any, **__: Any) -> models.UpdateResult:
        return models.UpdateResult(operation_id=1, status=models.UpdateStatus.WAIT_TIMEOUT)

    monkeypatch.setattr(qdrant, method, late)
    write = {
        "upsert": lambda: ours.stage([point(A)]),
        "set_payload": lambda: ours.publish(A, 1),
        "delete": lambda: ours.discard(A, 1),
    }[method]
    with pytest.raises(Unavailable):
        await write()


async def test_equal_scores_come_in_the_order_of_ids_whatever_the_server_says(
    ours: ServerTenantVectors, qdrant: LocalQdrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ours.stage([point(A)])
    ids = [f"00000000-0000-0000-0000-00000000000{digit}" for digit in (2, 1, 3)]
    found = [
        models.ScoredPoint(id=name, version=1, score=score)
        for name, score in zip(ids, (0.5, 0.5, 0.9), strict=True)
    ]

    async def answer(*_: Any, **__: Any) -> list[SimpleNamespace]:
        return [SimpleNamespace(points=found)] * 2

    monkeypatch.setattr(qdrant, "query_batch_points", answer)
    hits = await ours.search(EAST, words("apple"), limit=5)
    for each in (hits.dense, hits.sparse):
        assert [hit.chunk_id[-1] for hit in each] == ["3", "1", "2"]


async def test_a_question_without_words_asks_for_meaning_alone(
    ours: ServerTenantVectors, qdrant: LocalQdrant
) -> None:
    await ours.stage([point(A)])
    hits = await ours.search(EAST, SparseVector([], []), limit=5)
    assert hits.sparse == []
    [asked] = qdrant.asked("query_batch_points")
    assert [request.using for request in asked["requests"]] == [schema.DENSE]


async def test_an_exact_search_looks_past_the_graph(
    ours: ServerTenantVectors, qdrant: LocalQdrant
) -> None:
    await ours.stage([point(A)])
    await ours.search(EAST, words("apple"), limit=5, exact=True)
    [[dense, sparse]] = [each["requests"] for each in qdrant.asked("query_batch_points")]
    assert dense.params == models.SearchParams(exact=True)
    assert sparse.params.idf is not None


async def test_points_are_written_in_slices(ours: ServerTenantVectors, qdrant: LocalQdrant) -> None:
    await ours.stage([point(A, ordinal=i) for i in range(SLICE_POINTS + 1)])
    assert [len(each["points"]) for each in qdrant.asked("upsert")] == [SLICE_POINTS, 1]


async def test_a_point_is_staged_whatever_its_metadata_says(
    ours: ServerTenantVectors, qdrant: LocalQdrant
) -> None:
    await ours.stage([point(A, metadata={"tenant_id": THEIRS, "visible_to": ["everyone"]})])
    [asked] = qdrant.asked("upsert")
    [written] = asked["points"]
    assert written.payload[schema.TENANT] == OURS
    assert written.payload[schema.VISIBLE_TO] == []


@pytest.mark.parametrize(
    "unstorable", ["\ud800", 2**63, -(2**63) - 1, float("inf"), [1, float("nan")]]
)
async def test_what_would_not_come_back_is_refused_before_it_is_sent(
    ours: ServerTenantVectors, qdrant: LocalQdrant, unstorable: Any
) -> None:
    with pytest.raises(InvalidRequest):
        await ours.stage([point(A, metadata={"f": unstorable})])
    assert qdrant.asked("upsert") == []


def test_a_range_is_on_the_quoted_field_of_the_metadata() -> None:
    moment = datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=2)))
    made = filters.visible(OURS, [], [Between("a.b", 1, None), During("at", None, moment)])
    assert isinstance(made.must, list)
    assert made.must[2:] == [
        models.FieldCondition(key='metadata."a.b"', range=models.Range(gte=1)),
        models.FieldCondition(
            key='metadata."at"',
            range=models.DatetimeRange(lte=datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ),
    ]


@pytest.mark.parametrize(("moment", "hours"), [(FIRST, 14), (LAST, -14)], ids=["first", "last"])
def test_a_date_at_the_end_of_the_calendar_is_filtered_on(moment: datetime, hours: int) -> None:
    bound = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    made = filters.visible(OURS, [], [During("at", bound, None)])
    assert isinstance(made.must, list)
    condition = made.must[2]
    assert isinstance(condition, models.FieldCondition)
    assert condition.range == models.DatetimeRange(gte=moment)
