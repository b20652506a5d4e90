"""Cached questions in a whole stack: no other tenant, no search and no move ever meets them."""

import asyncio
from pathlib import Path

import pytest
from tests.isolation.backends import Backend
from tests.isolation.canary import question_about, text_about
from tests.isolation.stack import Api, Tenant, homes, new_tenant, opened

from carrel.caching.semantic import Asked, SemanticIndex
from carrel.embedding.embedder import DEFAULT_IDENTITY
from carrel.vectors.schema import ASIDE, is_aside

QUESTION = question_about("refunds")
SCOPE = "law"


def index_of(api: Api) -> SemanticIndex:
    return SemanticIndex(homes(api), {DEFAULT_IDENTITY: 0.0})


async def asked(api: Api, text: str = QUESTION, scope: str = SCOPE) -> Asked:
    return Asked(scope, text, await api.services.embedder.embed_query(text), DEFAULT_IDENTITY)


async def with_questions(api: Api, count: int = 30) -> Tenant:
    """A tenant with a document and so many cached questions, each with its canary."""
    tenant = await new_tenant(api)
    await tenant.upload("policy", text_about("refunds", tenant.canary))
    index = index_of(api)
    for number in range(count):
        question = await asked(api, f"{QUESTION} {tenant.canary} {number}")
        await index.remember(tenant.id, f"key {number}", question)
    return tenant


async def cached(api: Api, tenant: Tenant) -> int:
    """How many cached questions there are wherever the tenant is at home."""
    stored = await (await homes(api).now(tenant.id)).inventory()
    return sum(each.points for each in stored if is_aside(each.document_id))


@pytest.fixture(params=["older", "younger"])
async def pair(api: Api, request: pytest.FixtureRequest) -> tuple[Tenant, Tenant]:
    """Us and them, both with cached questions; we are the older tenant, or the younger."""
    older, younger = await with_questions(api, 3), await with_questions(api, 3)
    return (older, younger) if request.param == "older" else (younger, older)


async def test_the_very_vector_of_another_tenants_question_finds_nothing(
    pair: tuple[Tenant, Tenant],
) -> None:
    ours, theirs = pair
    index = index_of(ours.api)
    for number in range(3):
        theirs_asked = await asked(ours.api, f"{QUESTION} {theirs.canary} {number}")
        assert len(await index.nearest(theirs.id, theirs_asked)) == 1
        found = await index.nearest(ours.id, theirs_asked)
        assert found == []
        near = await index._near(ours.id, theirs_asked, 50)
        assert all(ours.canary in each.question for each in near)
        assert len(near) == 3


async def test_another_scope_of_the_tenant_finds_nothing(pair: tuple[Tenant, Tenant]) -> None:
    ours, _ = pair
    index = index_of(ours.api)
    text = f"{QUESTION} {ours.canary} 1"
    for scope in ("", "la", "LAW", "law ", "everyone", "group:law", "aside:law"):
        assert await index._near(ours.id, await asked(ours.api, text, scope), 50) == []
    assert len(await index._near(ours.id, await asked(ours.api, text), 50)) == 3


async def test_forgetting_ours_leaves_theirs(pair: tuple[Tenant, Tenant]) -> None:
    ours, theirs = pair
    index = index_of(ours.api)
    for number in range(3):
        await index.forget(ours.id, f"key {number}")
    assert (await cached(ours.api, ours), await cached(ours.api, theirs)) == (0, 3)
    await index.remember(ours.id, "key", await asked(ours.api))
    assert await index.forget_near(ours.id, await asked(ours.api)) == 1
    await index.remember(ours.id, "key", await asked(ours.api))
    await index.erase(ours.id)
    assert (await cached(ours.api, ours), await cached(ours.api, theirs)) == (0, 3)


async def test_no_search_shows_a_cached_question_whatever_the_callers_groups(api: Api) -> None:
    tenant = await with_questions(api, 5)
    before = (await tenant.search(QUESTION, top_k=50)).json["hits"]
    assert {hit["document_id"] for hit in before} == {"policy"}
    for groups in ([SCOPE], [f"aside:{SCOPE}"], ["aside"], [ASIDE], ["everyone"]):
        caller = await tenant.in_groups(*groups)
        assert (await caller.search(QUESTION, top_k=50)).json["hits"] == before, groups
        assert len((await caller.call("GET", "/v1/documents")).json["data"]) == 1


async def test_no_document_can_be_named_as_cached_questions_are(api: Api) -> None:
    tenant = await new_tenant(api)
    for name in (f"{ASIDE}asked", ASIDE, f"a{ASIDE}"):
        assert (await tenant.upload(name, "text")).status == 422
        assert (await tenant.call("GET", f"/v1/documents/{name}")).status == 404
        assert (await tenant.call("DELETE", f"/v1/documents/{name}")).status == 404


async def test_a_move_leaves_cached_questions_behind_and_moves_every_document(
    api: Api, backend: Backend
) -> None:
    tenant = await with_questions(api)
    other = await with_questions(api, 3)
    index = index_of(api)
    for tier in (*backend.tiers[1:], "shared"):
        before = (await tenant.search(QUESTION, top_k=50)).json["hits"]
        await index.remember(tenant.id, "one more", await asked(api))
        move = await tenant.move(tier)
        assert (move.status, move.report["searches_that_differed"]) == ("done", 0), move
        assert move.report["documents"] == 1
        assert await homes(api).at(move.left, tenant.id).inventory() == []
        assert (await tenant.search(QUESTION, top_k=50)).json["hits"] == before
        assert await cached(api, tenant) == 0
        assert await index.nearest(tenant.id, await asked(api)) == []
        # What is remembered from now on is where the tenant is.
        await index.remember(tenant.id, "new", await asked(api))
        assert len(await index.nearest(tenant.id, await asked(api))) == 1
    assert await cached(api, other) == 3


async def test_a_move_succeeds_while_questions_are_remembered_all_the_time(
    api: Api, backend: Backend
) -> None:
    tenant = await with_questions(api, 3)
    index = index_of(api)
    question = await asked(api)
    stopped = asyncio.Event()

    async def remember() -> None:
        number = 0
        while not stopped.is_set():
            number += 1
            await index.remember(tenant.id, f"key {number}", question)

    going = asyncio.create_task(remember())
    move = await tenant.move("collection")
    stopped.set()
    await going
    assert move.status == "done", move
    assert await homes(api).at(move.left, tenant.id).inventory() == []


async def test_cached_questions_are_counted_and_erased_with_their_tenant(
    backend: Backend, tmp_path: Path
) -> None:
    async with opened(tmp_path / "data", backend) as api:
        tenant, other = await with_questions(api, 7), await with_questions(api, 3)
        home = await homes(api).find(tenant.id)
        erasure = await api.services.erase_tenant(tenant.id, wait_seconds=20)
        assert erasure.status == "done"
        assert erasure.found["vectors"] >= 7 + 1
        assert erasure.left["vectors"] == 0
        assert await homes(api).at(home, tenant.id).inventory() == []
        assert await cached(api, other) == 3
        # Whoever still answers for the tenant brings nothing of it back.
        await index_of(api).remember(tenant.id, "late", await asked(api))
        assert await homes(api).at(home, tenant.id).inventory() == []
        assert await index_of(api).nearest(tenant.id, await asked(api)) == []


async def test_a_deleted_document_is_erased_and_cached_questions_stay(
    backend: Backend, tmp_path: Path
) -> None:
    async with opened(tmp_path / "data", backend, working=False) as api:
        tenant = await new_tenant(api)
        await tenant.upload("policy", text_about("refunds", tenant.canary), wait=0)
        await api.do_one_job()
        await index_of(api).remember(tenant.id, "key", await asked(api))
        assert (await tenant.call("DELETE", "/v1/documents/policy")).status == 204
        await api.until_due()
        await api.do_one_job()
        [left] = await (await homes(api).now(tenant.id)).inventory()
        assert is_aside(left.document_id)
