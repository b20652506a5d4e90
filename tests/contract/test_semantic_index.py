"""Cached questions in every vector store: found in their tenant and scope, and forgotten."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, update
from tests.contract.sample_points import A, at_angle, point, publish, search, texts

from carrel.caching.semantic import Asked, Candidate, SemanticIndex
from carrel.database.engine import Database
from carrel.database.migrate import migrate
from carrel.database.tables import tenants
from carrel.domain.errors import Unavailable
from carrel.domain.ids import CollectionName, TenantId, new_id
from carrel.embedding.embedder import DEFAULT_IDENTITY
from carrel.placement.homes import SHARED, Homes, Index
from carrel.tenancy.store import TenantStore
from carrel.vectors.store import TenantVectors, VectorStore

HALF = 0.5  # the cosine of 60 degrees
QUESTION = "How long is the warranty on printers?"
SAME = "How long does the warranty on printers last?"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'carrel.db'}")
    await migrate(opened)
    yield opened
    await opened.close()


@pytest.fixture
def homes(database: Database, vector_store: VectorStore) -> Homes:
    return Homes(database, {DEFAULT_IDENTITY: Index(vector_store, lambda _: vector_store)})


@pytest.fixture
def index(homes: Homes) -> SemanticIndex:
    return SemanticIndex(homes, {DEFAULT_IDENTITY: HALF})


@pytest.fixture
async def ours(database: Database) -> TenantId:
    return (await TenantStore(database).create("ours")).id


@pytest.fixture
async def theirs(database: Database) -> TenantId:
    return (await TenantStore(database).create("theirs")).id


def asked(text: str = QUESTION, degrees: float = 0.0, scope: str = "all") -> Asked:
    return Asked(scope, text, at_angle(degrees), DEFAULT_IDENTITY)


async def stored(homes: Homes, tenant_id: TenantId) -> int:
    return sum(each.points for each in await (await homes.now(tenant_id)).inventory())


async def test_a_question_that_asks_the_same_finds_the_one_that_is_remembered(
    index: SemanticIndex, ours: TenantId
) -> None:
    await index.remember(ours, "key", asked())
    [found] = await index.nearest(ours, asked(SAME, 30))
    assert found == Candidate("key", QUESTION, pytest.approx(np.cos(np.radians(30)), abs=1e-5))


async def test_a_question_below_the_threshold_finds_nothing(
    index: SemanticIndex, ours: TenantId
) -> None:
    await index.remember(ours, "key", asked())
    assert await index.nearest(ours, asked(SAME, 59))
    assert await index.nearest(ours, asked(SAME, 61)) == []


async def test_an_equal_vector_of_another_question_finds_nothing(
    index: SemanticIndex, ours: TenantId
) -> None:
    await index.remember(ours, "key", asked())
    for other in ("How long is the warranty on labels?", "How long is the warranty not valid?"):
        assert await index.nearest(ours, asked(other)) == []


async def test_no_other_tenant_and_no_other_scope_finds_it_by_its_very_vector(
    index: SemanticIndex, ours: TenantId, theirs: TenantId
) -> None:
    await index.remember(ours, "key", asked())
    assert await index.nearest(theirs, asked()) == []
    for scope in ("", "al", "ALL", "all ", "everyone", "group:all", "aside:all"):
        assert await index.nearest(ours, asked(scope=scope)) == [], scope
    assert len(await index.nearest(ours, asked())) == 1


async def test_a_question_that_is_published_to_a_wrong_scope_is_not_found_there(
    index: SemanticIndex, homes: Homes, ours: TenantId
) -> None:
    await index.remember(ours, "key", asked(scope="few"))
    wrong = index._point("key", asked(scope="few"))
    await homes.at(await homes.find(ours), ours, aside="all").stage([wrong])
    assert await index.nearest(ours, asked(scope="all")) == []


async def test_candidates_come_most_similar_first(index: SemanticIndex, ours: TenantId) -> None:
    for degrees in (40, 10, 20):
        await index.remember(ours, f"at {degrees}", asked(SAME, degrees))
    found = await index.nearest(ours, asked())
    assert [each.key for each in found] == ["at 10", "at 20", "at 40"]


async def test_there_are_never_more_than_there_are_places(homes: Homes, ours: TenantId) -> None:
    index = SemanticIndex(homes, {DEFAULT_IDENTITY: HALF}, slots=3)
    for number in range(20):
        await index.remember(ours, f"key {number}", asked(scope=f"scope {number % 4}"))
    assert await stored(homes, ours) <= 3
    assert "key 19" in [each.key for each in await index.nearest(ours, asked(scope="scope 3"))]


async def test_a_key_that_is_remembered_again_replaces_itself(
    index: SemanticIndex, homes: Homes, ours: TenantId
) -> None:
    for _ in range(3):
        await index.remember(ours, "key", asked())
    assert await stored(homes, ours) == 1


async def test_a_forgotten_question_is_not_found_and_others_are(
    index: SemanticIndex, ours: TenantId, theirs: TenantId
) -> None:
    for tenant_id in (ours, theirs):
        await index.remember(tenant_id, "one", asked())
        await index.remember(tenant_id, "two", asked(SAME))
    await index.forget(ours, "one")
    await index.forget(ours, "unknown")
    assert [each.key for each in await index.nearest(ours, asked())] == ["two"]
    assert len(await index.nearest(theirs, asked())) == 2


async def test_neighbours_are_forgotten_whatever_they_ask_and_distant_ones_are_not(
    index: SemanticIndex, homes: Homes, ours: TenantId, theirs: TenantId
) -> None:
    for tenant_id in (ours, theirs):
        await index.remember(tenant_id, "near", asked("Where is the warranty?", 20))
        await index.remember(tenant_id, "far", asked(SAME, 80))
        await index.remember(tenant_id, "elsewhere", asked(scope="few"))
    assert await index.forget_near(ours, asked()) == 1
    assert [each.key for each in await index.nearest(ours, asked(SAME, 80))] == ["far"]
    assert len(await index.nearest(ours, asked(scope="few"))) == 1
    assert await stored(homes, theirs) == 3


async def test_all_questions_of_a_tenant_are_erased_and_no_document(
    index: SemanticIndex, homes: Homes, ours: TenantId, theirs: TenantId
) -> None:
    await publish(await homes.now(ours), point(A, "apple"))
    for tenant_id in (ours, theirs):
        await index.remember(tenant_id, "one", asked())
        await index.remember(tenant_id, "two", asked(scope="few"))
    await index.erase(ours)
    assert texts((await search(await homes.now(ours))).dense) == ["apple"]
    assert await stored(homes, ours) == 1
    assert await stored(homes, theirs) == 2


async def test_questions_that_do_not_stand_alone_are_not_remembered(
    index: SemanticIndex, homes: Homes, ours: TenantId
) -> None:
    for text in ("How long is it?", "What is the price today?", "H\u03bfw long?", ""):
        await index.remember(ours, "key", asked(text))
        assert await index.nearest(ours, asked(text)) == []
    assert await stored(homes, ours) == 0


async def test_without_a_threshold_nothing_is_remembered_or_found(
    homes: Homes, ours: TenantId
) -> None:
    index = SemanticIndex(homes, {})
    await index.remember(ours, "key", asked())
    index.remember_soon(ours, "key", asked())
    await index.close()
    assert await index.nearest(ours, asked()) == []
    assert await index.forget_near(ours, asked()) == 0
    assert await stored(homes, ours) == 0


async def test_a_vector_of_another_embedder_is_neither_stored_nor_compared(
    homes: Homes, ours: TenantId
) -> None:
    index = SemanticIndex(homes, {DEFAULT_IDENTITY: HALF, "other": HALF})
    await index.remember(ours, "key", asked())
    foreign = replace(asked(), embedder="other")
    await index.remember(ours, "other key", foreign)
    assert await index.nearest(ours, foreign) == []
    assert await stored(homes, ours) == 1


async def test_a_question_may_be_remembered_in_the_background(
    index: SemanticIndex, ours: TenantId
) -> None:
    index.remember_soon(ours, "key", asked())
    await index.close()
    assert [each.key for each in await index.nearest(ours, asked())] == ["key"]


async def test_more_than_can_be_written_at_once_are_left_out(
    index: SemanticIndex, homes: Homes, ours: TenantId
) -> None:
    for number in range(100):
        index.remember_soon(ours, f"key {number}", asked())
    assert len(index._writing) == 32
    await index.close()
    assert 0 < await stored(homes, ours) <= 32


async def test_of_a_tenant_that_is_gone_or_being_erased_nothing_is_remembered(
    index: SemanticIndex, homes: Homes, database: Database, ours: TenantId, theirs: TenantId
) -> None:
    async with database.write() as connection:
        await connection.execute(
            update(tenants).where(tenants.c.id == ours).values(status="erasing")
        )
        await connection.execute(delete(tenants).where(tenants.c.id == theirs))
    for tenant_id in (ours, theirs):
        await index.remember(tenant_id, "key", asked())
        assert await homes.at(SHARED, tenant_id).inventory() == []
    assert await index.nearest(theirs, asked()) == []  # and not an error


class _Racing:
    """A handle whose tenant changes while it writes."""

    def __init__(self, vectors: TenantVectors, database: Database, **change: object) -> None:
        self._vectors = vectors
        self._database = database
        self._change = change

    async def stage(self, points) -> None:
        await self._vectors.stage(points)
        async with self._database.write() as connection:
            await connection.execute(update(tenants).values(**self._change))

    def __getattr__(self, name: str):
        return getattr(self._vectors, name)


@pytest.mark.parametrize(
    "change",
    [{"status": "erasing"}, {"collection": CollectionName(new_id("col"))}],
    ids=["erased", "moved"],
)
async def test_what_is_written_while_the_tenant_goes_is_taken_back(
    homes: Homes,
    database: Database,
    ours: TenantId,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
) -> None:
    left = await homes.find(ours)
    there = homes.at(left, ours)
    at = homes.at
    monkeypatch.setattr(homes, "at", lambda *a, **k: _Racing(at(*a, **k), database, **change))
    index = SemanticIndex(homes, {DEFAULT_IDENTITY: HALF})
    await index.remember(ours, "key", asked())
    assert await there.inventory() == []


async def test_a_store_that_is_down_makes_a_miss_and_no_error(
    index: SemanticIndex, homes: Homes, ours: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(_: TenantId) -> None:
        raise Unavailable("down")

    monkeypatch.setattr(homes, "remembered", down)
    monkeypatch.setattr(homes, "present", down)
    assert await index.nearest(ours, asked()) == []
    index.remember_soon(ours, "key", asked())
    await index.close()
    with pytest.raises(Unavailable):
        await index.remember(ours, "key", asked())


async def test_questions_remembered_at_once_do_not_change_places(
    index: SemanticIndex, ours: TenantId
) -> None:
    scopes = [f"scope {number}" for number in range(8)]
    await asyncio.gather(*(index.remember(ours, "one key", asked(scope=each)) for each in scopes))
    found = [await index.nearest(ours, asked(scope=each)) for each in scopes]
    assert sum(len(each) for each in found) == 1
