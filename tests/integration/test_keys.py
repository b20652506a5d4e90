from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from carrel.database.engine import Database
from carrel.database.tables import keys
from carrel.domain.errors import InsufficientScope, InvalidApiKey, InvalidRequest, NotFound
from carrel.domain.ids import KeyId, TenantId
from carrel.tenancy.authenticate import Authenticator
from carrel.tenancy.keys import KeyStore
from carrel.tenancy.secret import is_well_formed, new_secret
from carrel.tenancy.store import TenantStore

ADMIN = "k3Jw9-an-admin-key-of-the-environment-7Zq"


async def test_a_key_stands_for_its_tenant(database: Database, tenant_id: TenantId):
    made = await KeyStore(database).create(tenant_id, scopes=("query",), groups=("staff",))
    caller = await Authenticator(database, None).authenticate(made.secret)
    assert caller.tenant_id == tenant_id
    assert caller.scopes == {"query"}
    assert caller.groups == ("staff",)


async def test_the_database_never_holds_a_secret(database: Database, tenant_id: TenantId):
    made = await KeyStore(database).create(tenant_id)
    async with database.read() as connection:
        row = (await connection.execute(select(keys))).one()
    assert made.secret not in str(row)
    assert made.secret[12:] not in str(row)


async def test_a_revoked_key_is_refused_at_once(database: Database, tenant_id: TenantId):
    store, authenticator = KeyStore(database), Authenticator(database, None)
    made = await store.create(tenant_id)
    await authenticator.authenticate(made.secret)
    await store.revoke(made.key.id)
    await authenticator.forget(made.key.id)
    with pytest.raises(InvalidApiKey):
        await authenticator.authenticate(made.secret)
    with pytest.raises(NotFound):
        await store.revoke(made.key.id)


async def test_a_key_revoked_elsewhere_is_refused_when_the_memory_of_it_ends(
    database: Database, tenant_id: TenantId, monkeypatch: pytest.MonkeyPatch
):
    store, authenticator = KeyStore(database), Authenticator(database, None)
    made = await store.create(tenant_id)
    await authenticator.authenticate(made.secret)
    await store.revoke(made.key.id)
    await authenticator.authenticate(made.secret)
    monkeypatch.setattr("carrel.tenancy.expiring.time.monotonic", lambda: 1e12)
    with pytest.raises(InvalidApiKey):
        await authenticator.authenticate(made.secret)


async def test_an_expired_key_is_refused(database: Database, tenant_id: TenantId):
    store = KeyStore(database)
    made = await store.create(tenant_id, expires_at=datetime.now(UTC) + timedelta(hours=1))
    async with database.write() as connection:
        await connection.execute(update(keys).values(expires_at=datetime.now(UTC)))
    with pytest.raises(InvalidApiKey):
        await Authenticator(database, None).authenticate(made.secret)
    with pytest.raises(InvalidRequest):
        await store.create(tenant_id, expires_at=datetime.now(UTC) - timedelta(seconds=1))


async def test_a_suspended_tenants_key_is_refused(database: Database, tenant_id: TenantId):
    made = await KeyStore(database).create(tenant_id)
    await TenantStore(database).change(tenant_id, status="suspended")
    with pytest.raises(InsufficientScope):
        await Authenticator(database, None).authenticate(made.secret)


async def test_the_admin_key_of_the_environment_is_an_admin(database: Database):
    caller = await Authenticator(database, ADMIN).authenticate(ADMIN)
    assert caller.tenant_id is None
    assert caller.scopes == {"admin"}
    with pytest.raises(InvalidApiKey):
        await Authenticator(database, ADMIN).authenticate(ADMIN + "x")


async def test_the_first_admin_key_is_made_once(database: Database):
    store = KeyStore(database)
    made = await store.ensure_admin()
    assert made is not None
    assert await store.ensure_admin() is None
    replaced = await store.replace_admin()
    authenticator = Authenticator(database, None)
    assert (await authenticator.authenticate(replaced.secret)).scopes == {"admin"}
    with pytest.raises(InvalidApiKey):
        await authenticator.authenticate(made.secret)


@pytest.mark.parametrize(
    "secret",
    ["", "crl_", "crl_" + "a" * 49, "x" * 53, "crl_\u00e9" + "a" * 48, "Bearer x", "\0"],
)
async def test_what_is_no_key_is_refused_without_a_look_into_the_database(secret: str):
    nowhere = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    with pytest.raises(InvalidApiKey):
        await Authenticator(nowhere, ADMIN).authenticate(secret)
    await nowhere.close()


def test_a_secret_with_one_wrong_character_is_not_well_formed():
    secret = new_secret()
    assert is_well_formed(secret)
    for i in range(len(secret)):
        wrong = "0" if secret[i] != "0" else "1"
        assert not is_well_formed(secret[:i] + wrong + secret[i + 1 :])


async def test_a_tenant_that_does_not_exist_gets_no_key(database: Database):
    with pytest.raises(NotFound):
        await KeyStore(database).create(TenantId("ten_none"))
    with pytest.raises(NotFound):
        await KeyStore(database).revoke(KeyId("key_none"))
