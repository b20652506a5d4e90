"""Each predicate by itself: an attack meets several, and any of them would stop it.

Two tenants have documents, jobs and requests of the same names; what one does must leave the
other's rows as they are. Where order decides which row a wrong query would take, both are tried.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, insert, select, update
from tests.isolation.canary import question_about, text_about
from tests.isolation.stack import Api, Tenant, new_tenant

from carrel.database.engine import Database
from carrel.database.migrate import migrate
from carrel.database.tables import documents, keys, tenants, versions
from carrel.domain.errors import Conflict, InvalidRequest, NotFound
from carrel.domain.ids import DocumentId
from carrel.ingestion import idempotency
from carrel.ingestion.documents import bump_corpus
from carrel.jobs.queue import JobQueue, add_job
from carrel.tenancy.keys import hash_secret, new_secret
from carrel.tenancy.store import TenantStore

NAME = DocumentId("policy")


@pytest.fixture(params=["older", "younger"])
async def pair(api: Api, request: pytest.FixtureRequest) -> tuple[Tenant, Tenant]:
    """Us and them; we are the older tenant, or the younger."""
    older, younger = await new_tenant(api), await new_tenant(api)
    return (older, younger) if request.param == "older" else (younger, older)


async def test_what_we_upload_is_not_compared_with_what_they_have(
    pair: tuple[Tenant, Tenant],
) -> None:
    ours, theirs = pair
    texts = {ours.id: "One text.", theirs.id: "Another text."}
    for tenant in sorted(pair, key=lambda each: each.id):
        await tenant.upload(NAME, texts[tenant.id])
    for text, version in (("Another text.", 2), ("Another text.", 2), ("One text.", 3)):
        assert (await ours.upload(NAME, text)).json["version"] == version
    assert (await theirs.call("GET", f"/v1/documents/{NAME}")).json["version"] == 1


async def test_we_ingest_what_they_deleted(pair: tuple[Tenant, Tenant]) -> None:
    ours, theirs = pair
    await theirs.upload(NAME, text_about("refunds", theirs.canary))
    await _mark_deleted(theirs)
    reply = await ours.upload(NAME, text_about("refunds", ours.canary))
    assert (reply.json["status"], reply.json["chunks"]) == ("ready", 1)


async def test_rows_of_theirs_that_wait_for_removal_go_on_waiting(
    pair: tuple[Tenant, Tenant],
) -> None:
    ours, theirs = pair
    for tenant in pair:
        await tenant.upload(NAME, text_about("refunds", tenant.canary))
    await _mark_deleted(theirs)
    await ours.call("DELETE", f"/v1/documents/{NAME}")
    await _until(lambda: _is_gone(ours))
    assert not await _is_gone(theirs)
    database = ours.api.services.database
    rows = await database.fetch(select(versions.c.tenant_id).where(versions.c.document_id == NAME))
    assert [row.tenant_id for row in rows] == [theirs.id]


async def test_a_document_that_is_deleted_is_not_live_whatever_its_version_says(
    pair: tuple[Tenant, Tenant],
) -> None:
    ours, _ = pair
    await ours.upload(NAME, text_about("refunds", ours.canary))
    question = question_about("refunds")
    assert (await ours.search(question)).json["hits"]
    await _mark_deleted(ours)
    assert (await ours.search(question)).json["hits"] == []


async def test_what_is_live_is_said_of_our_document(pair: tuple[Tenant, Tenant]) -> None:
    ours, theirs = pair
    await ours.upload(NAME, "Ours.", title="Ours", metadata={"whose": "ours"})
    for number in range(3):
        await theirs.upload(NAME, f"Theirs {number}.", title="Theirs")
    hits = (await ours.search("Ours.")).json["hits"]
    shown = [(hit["text"], hit["title"], hit["metadata"]) for hit in hits]
    assert shown == [("Ours.", "Ours", {"whose": "ours"})]


async def test_what_we_ingest_and_show_is_our_version_of_a_name_that_they_have_too(
    pair: tuple[Tenant, Tenant],
) -> None:
    for tenant in sorted(pair, key=lambda each: each.id):
        more = {"title": f"Title {tenant.canary}", "metadata": {"whose": tenant.canary}}
        reply = await tenant.upload(NAME, text_about("refunds", tenant.canary), **more)
        assert reply.json["status"] == "ready"
    for tenant in pair:
        [hit] = (await tenant.search(question_about("refunds"))).json["hits"]
        assert hit["text"] == text_about("refunds", tenant.canary)
        assert hit["title"] == f"Title {tenant.canary}"
        assert hit["metadata"] == {"whose": tenant.canary}


async def test_groups_of_our_document_are_not_those_of_theirs(
    pair: tuple[Tenant, Tenant],
) -> None:
    ours, theirs = pair
    hidden = await ours.upload(NAME, text_about("refunds", ours.canary), groups=["red"])
    assert (hidden.status, hidden.json["groups"]) == (202, ["red"])
    shown = await theirs.upload(NAME, text_about("refunds", theirs.canary))
    assert (shown.status, shown.json["groups"]) == (202, [])
    assert len((await theirs.search(question_about("refunds"))).json["hits"]) == 1
    assert (await theirs.call("GET", f"/v1/documents/{NAME}")).json["groups"] == []
    await theirs.upload(NAME, "Theirs, again.")
    assert (await ours.call("GET", f"/v1/documents/{NAME}")).status == 404
    assert (await ours.call("DELETE", f"/v1/documents/{NAME}")).status == 404
    assert (await ours.call("GET", "/v1/documents")).json["data"] == []
    assert (await ours.search(question_about("refunds"))).json["hits"] == []
    assert (await ours.upload(NAME, "Mine now.")).status == 409


async def test_a_list_does_not_tell_a_hidden_id_from_an_absent_one(
    pair: tuple[Tenant, Tenant],
) -> None:
    ours, _ = pair
    await ours.upload(NAME, text_about("refunds", ours.canary), groups=["red"])
    hidden = await ours.call("GET", "/v1/documents", query=f"after={NAME}")
    absent = await ours.call("GET", "/v1/documents", query="after=absent")
    assert hidden.status == absent.status


@pytest.mark.parametrize("group", ["red", "everyone", "group:blue", "group:everyone"])
async def test_points_and_rows_each_keep_a_document_to_its_groups(api: Api, group: str) -> None:
    ours = await new_tenant(api)
    vectors = api.services.vectors
    await ours.upload(NAME, text_about("refunds", ours.canary), groups=[group])
    sights = ((), ("blue",), (group,))
    assert [await vectors.tenant(ours.id, each).count() for each in sights] == [0, 0, 1]
    await vectors.tenant(ours.id).publish(NAME, 1)
    assert (await ours.search(question_about("refunds"))).json["hits"] == []


async def test_our_changes_leave_their_corpus_version(pair: tuple[Tenant, Tenant]) -> None:
    ours, theirs = pair
    await theirs.upload(NAME, "Theirs.")
    before = [await _corpus_version(each) for each in pair]
    await ours.upload(NAME, "Ours.")
    await ours.call("DELETE", f"/v1/documents/{NAME}")
    assert await _corpus_version(theirs) == before[1]
    assert await _corpus_version(ours) == before[0] + 2


async def test_an_idempotency_key_of_theirs_is_neither_completed_nor_freed_by_ours(
    pair: tuple[Tenant, Tenant],
) -> None:
    ours, theirs = pair
    database = ours.api.services.database
    assert await idempotency.begin(database, theirs.id, "key") is None
    headers = {"idempotency-key": "key"}
    refused = await ours.call("POST", "/v1/documents", body={"text": ""}, headers=headers)
    assert refused.status == 422
    with pytest.raises(Conflict):
        await idempotency.begin(database, theirs.id, "key")
    assert await idempotency.begin(database, ours.id, "key") is None
    await idempotency.abandon(database, ours.id, "key")
    with pytest.raises(Conflict):
        await idempotency.begin(database, theirs.id, "key")
    taken = await ours.call("POST", "/v1/documents", body={"text": "Ours."}, headers=headers)
    assert taken.status == 202
    with pytest.raises(Conflict):
        await idempotency.begin(database, theirs.id, "key")


async def test_a_tenants_keys_are_listed_alone(pair: tuple[Tenant, Tenant]) -> None:
    ours, theirs = pair
    store = ours.api.services.keys
    assert [key.id for key in await store.of_tenant(ours.id)] == [ours.key_id]
    await store.revoke(theirs.key_id)
    assert [key.id for key in await store.of_tenant(ours.id)] == [ours.key_id]


async def test_one_tenant_is_read_changed_and_removed(pair: tuple[Tenant, Tenant]) -> None:
    ours, theirs = pair
    store = ours.api.services.tenants
    assert (await store.get(ours.id)).id == ours.id
    await store.change(theirs.id, name="Renamed", status="suspended")
    unchanged = await store.get(ours.id)
    assert (unchanged.name, unchanged.status) == (f"Tenant {ours.canary}", "active")
    await ours.api.services.erase_tenant(theirs.id, wait_seconds=30)
    assert (await store.get(ours.id)).id == ours.id
    with pytest.raises(NotFound):
        await store.get(theirs.id)


async def test_no_tenants_key_is_an_administrators(api: Api) -> None:
    with pytest.raises(InvalidRequest):
        await new_tenant(api, scopes=("query", "admin"))


async def test_a_key_without_a_tenant_has_no_business_with_documents(api: Api) -> None:
    secret = new_secret()
    await _insert(
        api.services.database,
        keys,
        id="key_odd",
        tenant_id=None,
        name="",
        prefix=secret[:12],
        secret_hash=hash_secret(secret),
        scopes=["admin", "query", "search", "documents:read", "documents:write", "usage:read"],
        groups=[],
        limits={},
        created_at=datetime.now(UTC),
    )
    for path in ("/v1/documents", "/v1/usage", "/v1/models"):
        assert (await api.call("GET", path, key=secret)).status == 403


async def test_jobs_of_two_tenants_documents_of_one_name_do_not_wait_for_each_other(
    tmp_path: Path,
) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'carrel.db'}")
    await migrate(database)
    made = [(await TenantStore(database).create(name)).id for name in ("ours", "theirs")]
    queue = JobQueue(database, owner="worker", lease_seconds=60, per_tenant=1)
    async with database.write() as connection:
        for tenant_id in made:
            await add_job(connection, "ingest", tenant_id, NAME, 1)
    claimed = [await queue.claim(), await queue.claim()]
    await database.close()
    assert {job.tenant_id for job in claimed if job} == set(made)


async def _mark_deleted(tenant: Tenant) -> None:
    """As a deletion does, but for the job that then removes the rows."""
    mine = (documents.c.tenant_id == tenant.id) & (documents.c.id == NAME)
    async with tenant.api.services.database.write() as connection:
        await connection.execute(
            update(documents).where(mine).values(deleted_through=documents.c.newest_version)
        )
        await bump_corpus(connection, tenant.id)


async def _is_gone(tenant: Tenant) -> bool:
    mine = (documents.c.tenant_id == tenant.id) & (documents.c.id == NAME)
    return not await tenant.api.services.database.fetch(select(documents.c.id).where(mine))


async def _corpus_version(tenant: Tenant) -> int:
    query = select(tenants.c.corpus_version).where(tenants.c.id == tenant.id)
    return (await tenant.api.services.database.fetch(query))[0].corpus_version


async def _insert(database: Database, table: Table, **values: Any) -> None:
    async with database.write() as connection:
        await connection.execute(insert(table).values(**values))


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110 - rows of a database tell nobody that they go
            await asyncio.sleep(0.02)
