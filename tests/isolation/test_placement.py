"""Each predicate of moves, homes and held jobs by itself: one tenant's are not another's."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from tests.isolation.backends import Backend
from tests.isolation.canary import question_about, text_about
from tests.isolation.stack import Api, Tenant, homes, new_tenant, opened

from carrel.domain.errors import Conflict, NotFound
from carrel.erasure.tenant import request_erasure
from carrel.jobs.queue import Job, JobQueue, add_job, hold
from carrel.placement.homes import SHARED
from carrel.vectors.store import TenantVectors

QUESTION = question_about("refunds")


@pytest.fixture(autouse=True)
def _quick_moves() -> Iterator[None]:
    with patch("carrel.placement.mover.LONGEST_SEARCH_SECONDS", 0.1):
        yield


@pytest.fixture
async def idle(backend: Backend, tmp_path: Path) -> AsyncIterator[Api]:
    """A stack in which jobs are done when the test says so."""
    async with opened(tmp_path / "data", backend, working=False) as stack:
        yield stack


@pytest.fixture(params=["older", "younger"])
async def pair(api: Api, request: pytest.FixtureRequest) -> tuple[Tenant, Tenant]:
    """Us and them, with documents of one name; we are the older tenant, or the younger."""
    older, younger = await new_tenant(api), await new_tenant(api)
    ours, theirs = (older, younger) if request.param == "older" else (younger, older)
    await ours.upload("policy", text_about("refunds", ours.canary))
    # Of more chunks than ours, and beside one of another name.
    await theirs.upload("policy", f"{text_about('refunds', theirs.canary)}\n\n" * 20)
    await theirs.upload("terms", text_about("refunds", theirs.canary))
    return ours, theirs


async def test_one_tenant_moves_and_no_other(pair: tuple[Tenant, Tenant], backend: Backend) -> None:
    ours, theirs = pair
    api = ours.api
    before = (await theirs.search(QUESTION)).json
    for tier in (*backend.tiers[1:], "shared"):
        move = await ours.move(tier)
        assert (move.status, move.report["searches_that_differed"]) == ("done", 0), move
        assert await homes(api).find(ours.id) == move.target
        assert (move.target == SHARED) == (tier == "shared")
        assert await homes(api).find(theirs.id) == SHARED
        tiers = [(await api.services.tenants.get(each.id)).isolation for each in pair]
        assert tiers == [tier, "shared"]
        assert (await theirs.search(QUESTION)).json == before
        assert ours.canary in (await ours.search(QUESTION)).text
        assert await homes(api).at(move.left, ours.id).inventory() == []
        # What comes later goes to the new home, and nowhere else.
        await ours.upload(f"in {tier}", text_about("refunds", ours.canary))
        stored = {
            each.document_id for each in await homes(api).at(move.target, ours.id).inventory()
        }
        assert f"in {tier}" in stored
        assert len((await ours.search(QUESTION)).json["hits"]) == len(stored)


async def test_a_tenant_that_begins_in_a_collection_has_nothing_in_the_shared_one(
    api: Api,
) -> None:
    ours = await new_tenant(api, "collection")
    await ours.upload("policy", text_about("refunds", ours.canary))
    assert ours.canary in (await ours.search(QUESTION)).text
    assert await api.services.vectors.tenant(ours.id).inventory() == []


async def test_a_home_that_is_remembered_is_the_tenants_own(pair: tuple[Tenant, Tenant]) -> None:
    ours, theirs = pair
    await ours.move("collection")
    await theirs.upload("another", text_about("refunds", theirs.canary))
    with patch("carrel.placement.homes.REMEMBERED_SECONDS", 60.0):
        known = homes(ours.api)
        for _ in range(2):
            assert await (await known.of(theirs.id)).count() > 2
            assert await (await known.of(ours.id)).count() == 1


async def test_a_move_keeps_documents_to_their_groups(api: Api) -> None:
    ours = await new_tenant(api)
    red = await ours.in_groups("red")
    await ours.upload("policy", text_about("refunds", "for all"))
    await ours.upload("secret", text_about("refunds", "for red"), groups=["red", "everyone"])
    before = [(await each.search(QUESTION)).json for each in (ours, red)]
    for tier in ("collection", "shared"):
        move = await ours.move(tier)
        assert move.status == "done"
        for groups, visible in (((), 1), (("blue",), 1), (("red",), 2), (("everyone",), 2)):
            assert await homes(api).at(move.target, ours.id, groups).count() == visible
    assert [(await each.search(QUESTION)).json for each in (ours, red)] == before


async def test_what_was_withdrawn_is_not_brought_back_by_a_move(idle: Api) -> None:
    ours = await new_tenant(idle)
    for name in ("policy", "terms"):
        await ours.upload(name, text_about("refunds", ours.canary), wait=0)
        await idle.do_one_job()
    move = await idle.services.moves.start(ours.id, "collection")
    await ours.call("DELETE", "/v1/documents/policy")
    assert await idle.do_one_job() == "move"
    target = homes(idle).at(move.target, ours.id)
    assert [each.document_id for each in await target.inventory()] == ["terms"]


async def test_moves_are_shown_as_their_tenants_alone(pair: tuple[Tenant, Tenant]) -> None:
    ours, theirs = pair
    store = ours.api.services.moves
    mine, other = await ours.move("collection"), await theirs.move("collection")
    assert [each.id for each in await store.list(ours.id)] == [mine.id]
    assert (await store.get(ours.id, mine.id)).id == mine.id
    with pytest.raises(NotFound):
        await store.get(ours.id, other.id)


async def test_a_move_of_theirs_neither_hinders_nor_changes_ours(idle: Api) -> None:
    tenants = [await new_tenant(idle) for _ in range(3)]
    store = idle.services.moves
    for tenant in tenants:
        await store.start(tenant.id, "collection")
        with pytest.raises(Conflict):
            await store.start(tenant.id, "collection")
    for tenant in tenants:
        assert (await _going(idle, tenant)).tenant_id == tenant.id
    for done in range(1, len(tenants) + 1):
        assert await idle.do_one_job() == "move"
        statuses = [(await store.list(each.id))[0].status for each in tenants]
        assert statuses == ["done"] * done + ["queued"] * (len(tenants) - done)


async def test_a_tenant_moves_whatever_becomes_of_another(idle: Api) -> None:
    theirs, ours = await new_tenant(idle), await new_tenant(idle)
    move = await idle.services.moves.start(ours.id, "collection")
    await request_erasure(idle.services.database, theirs.id)
    assert {await idle.do_one_job(), await idle.do_one_job()} == {"erase", "move"}
    assert (await idle.services.moves.get(ours.id, move.id)).status == "done"


async def test_a_dedicated_server_has_one_tenant(idle: Api) -> None:
    create = idle.services.tenants.create
    first = await create("first", "dedicated", "eu-1")
    with pytest.raises(Conflict):
        await create("second", "dedicated", "eu-1")
    second = await create("second", "dedicated", "eu-2")
    for server, tenant in (("eu-1", second), ("eu-2", first)):
        with pytest.raises(Conflict):
            await idle.services.moves.start(tenant.id, "dedicated", server)


async def test_a_job_that_holds_a_tenant_holds_its_jobs_and_no_others(idle: Api) -> None:
    ours, theirs = await new_tenant(idle), await new_tenant(idle)
    database = idle.services.database
    queue = JobQueue(database, owner="worker", lease_seconds=60)
    async with database.write() as connection:
        holding = await add_job(connection, "move", ours.id)
        await hold(connection, ours.id, holding)
        for tenant in (ours, theirs):
            for name in ("policy", "terms"):
                await add_job(connection, "ingest", tenant.id, name, 1)
    claimed: list[Job] = []
    while job := await queue.claim():
        claimed.append(job)
    assert [job.tenant_id for job in claimed] == [ours.id, theirs.id, theirs.id]
    assert claimed[0].id == holding
    # Those of theirs that are under way do not keep ours waiting.
    async with asyncio.timeout(20):
        await queue.alone(claimed[0])


async def test_whoever_would_be_alone_waits_for_jobs_under_way(idle: Api) -> None:
    ours = await new_tenant(idle)
    database = idle.services.database
    queue = JobQueue(database, owner="worker", lease_seconds=60)
    async with database.write() as connection:
        await add_job(connection, "ingest", ours.id, "policy", 1)
        await add_job(connection, "move", ours.id)
    ingesting, moving = await queue.claim(), await queue.claim()
    assert ingesting
    assert moving
    alone = asyncio.create_task(queue.alone(moving))
    for _ in range(20):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(alone), 0.2)
    async with database.write() as connection:
        await queue.finish(connection, ingesting)
    await asyncio.wait_for(alone, 20)


@pytest.mark.parametrize("moves", [0, 1, 2])
async def test_an_erasure_empties_every_home_that_there_was(api: Api, moves: int) -> None:
    ours, theirs = await new_tenant(api, "collection"), await new_tenant(api, "collection")
    for tenant in (ours, theirs):
        await tenant.upload("policy", text_about("refunds", tenant.canary))
    places = [SHARED, await homes(api).find(ours.id)]
    places += [(await ours.move(tier)).target for tier in ("shared", "collection")[:moves]]
    vectors = [homes(api).at(place, ours.id) for place in dict.fromkeys(places)]
    await _plant(await homes(api).now(ours.id), vectors)
    erasure = await api.services.erase_tenant(ours.id, wait_seconds=30)
    assert erasure.status == "done"
    assert erasure.found["vectors"] == len(vectors)
    assert [await each.inventory() for each in vectors] == [[] for _ in vectors]
    assert theirs.canary in (await theirs.search(QUESTION)).text


async def test_an_erasure_empties_the_home_that_a_move_was_on_its_way_to(idle: Api) -> None:
    ours = await new_tenant(idle)
    await ours.upload("policy", text_about("refunds", ours.canary), wait=0)
    await idle.do_one_job()
    move = await idle.services.moves.start(ours.id, "collection")
    target = homes(idle).at(move.target, ours.id)
    await _plant(await homes(idle).now(ours.id), [target])
    await idle.services.erase_tenant(ours.id, wait_seconds=0)
    assert await idle.do_one_job() == "erase"  # the move that it came after waits for it
    assert await target.inventory() == []


async def _plant(source: TenantVectors, places: list[TenantVectors]) -> None:
    """As a worker leaves it that lost its lease and knows nothing of a move."""
    points = await source.read((await source.inventory())[0].document_id, 1, range(1))
    for each in places:
        await each.stage(points)


async def _going(api: Api, tenant: Tenant):
    move = await api.services.moves.going(tenant.id)
    assert move is not None
    return move


async def test_a_tenant_is_erased_while_its_move_waits_for_its_uploads(idle: Api) -> None:
    """Both wait until no other job of the tenant is under way, and not for each other."""
    ours = await new_tenant(idle)
    database = idle.services.database
    others = JobQueue(database, owner="another worker", lease_seconds=60)
    async with database.write() as connection:
        await add_job(connection, "ingest", ours.id, "policy", 1)
    ingesting = await others.claim()
    assert ingesting
    move = await idle.services.moves.start(ours.id, "collection")
    moving = asyncio.create_task(idle.do_one_job())
    async with asyncio.timeout(20):
        while (await _going(idle, ours)).status != "switching":  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.01)
    erasure = await idle.services.erase_tenant(ours.id, wait_seconds=0)
    early = await idle.do_one_job()
    async with database.write() as connection:
        await others.finish(connection, ingesting)
    async with asyncio.timeout(20):
        done = [await moving, early or await idle.do_one_job()]
    assert done == ["move", "erase"]
    assert (await idle.services.erasures.get(erasure.id)).status == "done"
    assert await homes(idle).at(move.target, ours.id).inventory() == []
