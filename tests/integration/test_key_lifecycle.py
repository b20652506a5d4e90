"""Keys rotated, changed, used and remembered, on SQLite and on Postgres."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from carrel.database.engine import Database
from carrel.database.tables import keys
from carrel.domain.errors import Conflict, InvalidApiKey, InvalidRequest, NotFound, Unavailable
from carrel.domain.ids import KeyId, RequestId, TenantId
from carrel.domain.tenant import Budget, Limits
from carrel.erasure.rows import remove_rows
from carrel.tenancy import last_use
from carrel.tenancy.audit import Actor, AuditLog, forget_details
from carrel.tenancy.authenticate import Authenticator
from carrel.tenancy.keys import KeyStore
from carrel.tenancy.last_use import LastUse
from carrel.tenancy.lookup import Lookup
from carrel.tenancy.secret import new_secret
from carrel.tenancy.store import TenantStore

ADMIN = Actor(KeyId("key_admin"), RequestId("req_1"))
DAY = timedelta(days=1)
LIMITS = Limits(requests_per_minute=60, concurrent_requests=2)
BUDGET = Budget(5_000_000, "day", "allow")


async def test_a_caller_carries_the_limits_of_its_tenant_and_of_its_key(database: Database):
    budget = Budget(1_000_000, "month")
    tenant = await TenantStore(database).create("acme", limits=LIMITS, budget=budget)
    made = await KeyStore(database).create(
        tenant.id, limits=Limits(tokens_per_minute=9), budget=BUDGET
    )
    caller = await Authenticator(database, None).authenticate(made.secret)
    assert (caller.tenant_limits, caller.tenant_budget) == (LIMITS, budget)
    assert (caller.key_limits, caller.key_budget) == (Limits(tokens_per_minute=9), BUDGET)


async def test_both_keys_work_while_a_rotation_overlaps(database: Database, tenant_id: TenantId):
    store, authenticator = KeyStore(database), Authenticator(database, None)
    old = await store.create(
        tenant_id, name="ci", scopes=("query",), groups=("staff",), limits=LIMITS, budget=BUDGET
    )
    new = await store.rotate(old.key.id, overlap=DAY)
    before, after = [await authenticator.authenticate(each.secret) for each in (old, new)]
    assert before.key_id != after.key_id
    assert (new.key.name, new.key.expires_at, after.tenant_id) == ("ci", None, tenant_id)
    assert (before.scopes, before.groups) == (after.scopes, after.groups)
    assert (after.key_limits, after.key_budget) == (LIMITS, BUDGET)
    (listed, _) = await store.of_tenant(tenant_id)
    assert listed.replaced_by == new.key.id
    assert listed.expires_at is not None
    assert abs(listed.expires_at - datetime.now(UTC) - DAY) < timedelta(minutes=1)


async def test_the_old_key_is_refused_when_the_overlap_ends_even_if_it_is_remembered(
    database: Database, tenant_id: TenantId, monkeypatch: pytest.MonkeyPatch
):
    store, authenticator = KeyStore(database), Authenticator(database, None)
    old = await store.create(tenant_id)
    await store.rotate(old.key.id, overlap=timedelta(seconds=4))
    await authenticator.authenticate(old.secret)
    await store.change(old.key.id, expires_at=datetime.now(UTC))  # as if the time had passed
    await authenticator.authenticate(old.secret)  # remembered
    later = time.monotonic() + 4  # a memory of its own would last for 5 s
    monkeypatch.setattr("carrel.tenancy.expiring.time.monotonic", lambda: later)
    with pytest.raises(InvalidApiKey):
        await authenticator.authenticate(old.secret)


async def test_without_an_overlap_the_old_key_is_refused_at_once(
    database: Database, tenant_id: TenantId
):
    store, authenticator = KeyStore(database), Authenticator(database, None)
    old = await store.create(tenant_id)
    await authenticator.authenticate(old.secret)
    await store.rotate(old.key.id, overlap=timedelta(0))
    await authenticator.forget(old.key.id)
    with pytest.raises(InvalidApiKey):
        await authenticator.authenticate(old.secret)


async def test_a_key_is_rotated_once_however_many_ask(database: Database, tenant_id: TenantId):
    store = KeyStore(database)
    old = await store.create(tenant_id)
    outcomes = await asyncio.gather(
        *(store.rotate(old.key.id, overlap=DAY) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7
    assert len(await store.of_tenant(tenant_id)) == 2


async def test_a_rotation_never_lengthens_the_old_keys_life(
    database: Database, tenant_id: TenantId
):
    store = KeyStore(database)
    end = datetime.now(UTC) + timedelta(hours=1)
    old = await store.create(tenant_id, expires_at=end)
    new = await store.rotate(old.key.id, overlap=DAY)
    (listed, _) = await store.of_tenant(tenant_id)
    assert listed.expires_at == end
    assert new.key.expires_at is not None
    assert timedelta(0) <= new.key.expires_at - end < timedelta(minutes=1)


@pytest.mark.parametrize("ended", ["revoked", "expired", "unknown"])
async def test_a_key_that_has_ended_is_not_rotated(
    database: Database, tenant_id: TenantId, ended: str
):
    store = KeyStore(database)
    key_id = (await store.create(tenant_id)).key.id
    if ended == "revoked":
        await store.revoke(key_id)
    elif ended == "expired":
        await store.change(key_id, expires_at=datetime.now(UTC))
    else:
        key_id = KeyId("key_none")
    with pytest.raises(NotFound):
        await store.rotate(key_id, overlap=DAY)


async def test_a_change_sets_what_it_names_and_nothing_else(
    database: Database, tenant_id: TenantId
):
    store = KeyStore(database)
    made = await store.create(tenant_id, name="ci", groups=("a",), limits=LIMITS, budget=BUDGET)
    other = await store.create(tenant_id, name="other")
    key = await store.change(made.key.id, groups=("b",), limits={"requests_per_minute": None})
    assert (key.name, key.groups, key.budget) == ("ci", ("b",), BUDGET)
    assert key.limits == Limits(concurrent_requests=2)
    key = await store.change(made.key.id, budget=None, scopes=("search",))
    assert (key.budget, key.scopes, key.groups) == (None, ("search",), ("b",))
    assert await store.of_tenant(tenant_id) == [key, other.key]


async def test_an_admin_key_gets_no_scopes_and_no_limits(database: Database):
    store = KeyStore(database)
    made = await store.ensure_admin()
    assert made is not None
    forbidden: list[dict[str, Any]] = [
        {"scopes": ("query",)},
        {"groups": ("a",)},
        {"limits": {"requests_per_minute": 1}},
        {"budget": BUDGET},
    ]
    for change in forbidden:
        with pytest.raises(InvalidRequest):
            await store.change(made.key.id, **change)
    new = await store.rotate(made.key.id, overlap=DAY)
    assert (await Authenticator(database, None).authenticate(new.secret)).scopes == {"admin"}


async def test_a_key_just_made_works_though_others_were_refused_before(
    database: Database, tenant_id: TenantId
):
    authenticator = Authenticator(database, None)
    for _ in range(50):
        with pytest.raises(InvalidApiKey):
            await authenticator.authenticate(new_secret())
    made = await KeyStore(database).create(tenant_id)
    assert (await authenticator.authenticate(made.secret)).key_id == made.key.id


async def test_a_wrong_key_sent_again_is_not_looked_up_again(database: Database):
    authenticator, wrong = Authenticator(database, None), new_secret()
    with pytest.raises(InvalidApiKey):
        await authenticator.authenticate(wrong)
    authenticator._lookup = Lookup(Database("postgresql+asyncpg://nobody@127.0.0.1:1/none"))
    with pytest.raises(InvalidApiKey):
        await authenticator.authenticate(wrong)
    with pytest.raises(Unavailable):
        await authenticator.authenticate(new_secret())


async def test_an_expired_key_works_again_when_its_expiry_is_moved(
    database: Database, tenant_id: TenantId
):
    store, authenticator = KeyStore(database), Authenticator(database, None)
    made = await store.create(tenant_id)
    await store.change(made.key.id, expires_at=datetime.now(UTC))
    with pytest.raises(InvalidApiKey):
        await authenticator.authenticate(made.secret)
    await store.change(made.key.id, expires_at=None)
    assert (await authenticator.authenticate(made.secret)).key_id == made.key.id


async def test_a_popular_key_is_looked_up_once_for_all(database: Database, tenant_id: TenantId):
    authenticator = Authenticator(database, None)
    made = await KeyStore(database).create(tenant_id)
    look_up, looked_up = authenticator._lookup.key, 0

    async def counted(digest: str) -> Any:
        nonlocal looked_up
        looked_up += 1
        return await look_up(digest)

    authenticator._lookup.key = counted  # type: ignore[method-assign]
    await asyncio.gather(*(authenticator.authenticate(made.secret) for _ in range(100)))
    assert looked_up == 1


async def test_what_was_read_before_a_revocation_is_not_remembered_after_it(
    database: Database, tenant_id: TenantId
):
    store, authenticator = KeyStore(database), Authenticator(database, None)
    made = await store.create(tenant_id)
    look_up = authenticator._lookup.key
    read, go_on = asyncio.Event(), asyncio.Event()

    async def slow(digest: str) -> Any:
        found = await look_up(digest)
        read.set()
        await go_on.wait()
        return found

    authenticator._lookup.key = slow  # type: ignore[method-assign]
    early = asyncio.create_task(authenticator.authenticate(made.secret))
    await read.wait()
    await store.revoke(made.key.id)
    await authenticator.forget(made.key.id)
    late = asyncio.create_task(authenticator.authenticate(made.secret))
    go_on.set()
    assert (await early).key_id == made.key.id  # it came before
    for attempt in (late, authenticator.authenticate(made.secret)):
        with pytest.raises(InvalidApiKey):
            await attempt


async def test_the_last_use_is_written_together_and_once_a_minute(
    database: Database, tenant_id: TenantId, monkeypatch: pytest.MonkeyPatch
):
    now = 1000.0
    monkeypatch.setattr(last_use.time, "monotonic", lambda: now)
    store, uses = KeyStore(database), LastUse(database)
    made = [await store.create(tenant_id) for _ in range(3)]
    authenticator = Authenticator(database, None, last_use=uses)
    for each in made[:2]:
        await authenticator.authenticate(each.secret)
    assert all(key.last_used_at is None for key in await store.of_tenant(tenant_id))
    await uses.write()
    first = [key.last_used_at for key in await store.of_tenant(tenant_id)]
    assert [at is not None for at in first] == [True, True, False]
    await authenticator.authenticate(made[0].secret)
    await uses.write()
    assert [key.last_used_at for key in await store.of_tenant(tenant_id)] == first
    now += last_use.NOTE_SECONDS
    uses.note(made[0].key.id)
    await uses.write()
    (again, *others) = [key.last_used_at for key in await store.of_tenant(tenant_id)]
    assert again is not None
    assert first[0] is not None
    assert again > first[0]
    assert others == first[1:]


async def test_a_last_use_that_cannot_be_written_is_written_later(
    database: Database, tenant_id: TenantId
):
    made = await KeyStore(database).create(tenant_id)
    uses = LastUse(Database("postgresql+asyncpg://nobody@127.0.0.1:1/none"))
    uses.note(made.key.id)
    await uses.write()
    uses._database = database
    await uses.write()
    (key,) = await KeyStore(database).of_tenant(tenant_id)
    assert key.last_used_at is not None


async def test_an_entry_is_there_exactly_when_its_action_is(
    database: Database, tenant_id: TenantId
):
    store, audit = KeyStore(database), AuditLog(database)
    made = await store.create(tenant_id, name="ci", by=ADMIN)
    for refused in (
        store.revoke(KeyId("key_none"), by=ADMIN),
        store.change(KeyId("key_none"), name="x", by=ADMIN),
        store.rotate(KeyId("key_none"), overlap=DAY, by=ADMIN),
        store.create(TenantId("ten_none"), by=ADMIN),
    ):
        with pytest.raises(NotFound):
            await refused
    new = await store.rotate(made.key.id, overlap=DAY, by=ADMIN)
    await store.revoke(new.key.id, by=ADMIN)
    entries = await audit.entries(limit=10)
    assert [(each.action, each.target) for each in entries] == [
        ("key.revoke", new.key.id),
        ("key.rotate", made.key.id),
        ("key.create", made.key.id),
        ("tenant.create", tenant_id),
    ]
    assert {(each.actor, each.request_id) for each in entries[:3]} == {("key_admin", "req_1")}
    assert entries[2].details["name"] == "ci"
    rows = await database.fetch(select(keys.c.secret_hash))
    secrets = [made.secret, new.secret, made.secret[4:], *(row.secret_hash for row in rows)]
    assert not any(secret in str(entries) for secret in secrets)


async def test_the_details_of_an_erased_tenant_are_gone_and_the_actions_are_not(
    database: Database, tenant_id: TenantId
):
    audit = AuditLog(database)
    other = await TenantStore(database).create("globex")
    await KeyStore(database).create(tenant_id, name="canary")
    async with database.write() as connection:
        await remove_rows(connection, tenant_id)
        await forget_details(connection, tenant_id)
    entries = await audit.entries(limit=10, tenant_id=tenant_id)
    assert [(each.action, each.details) for each in entries] == [
        ("key.create", {}),
        ("tenant.create", {}),
    ]
    (kept,) = await audit.entries(limit=10, tenant_id=other.id)
    assert kept.details["name"] == "globex"


async def test_entries_come_page_by_page_newest_first(database: Database, tenant_id: TenantId):
    audit = AuditLog(database)
    for number in range(4):
        await audit.add(ADMIN, "cache.clear", target=f"target {number}", tenant_id=tenant_id)
    first = await audit.entries(limit=3)
    second = await audit.entries(limit=3, after=first[-1].id)
    assert [each.target for each in (*first, *second)] == [
        *(f"target {number}" for number in (3, 2, 1, 0)),
        tenant_id,
    ]
