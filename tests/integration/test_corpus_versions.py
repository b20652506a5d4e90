"""The version of a tenant's corpus, as both databases tell it."""

import sqlite3

import pytest
from sqlalchemy import bindparam, select, update

from carrel.caching.versions import CorpusVersions
from carrel.database.engine import Database
from carrel.database.tables import tenants
from carrel.domain.errors import NotFound
from carrel.domain.ids import TenantId
from carrel.tenancy.store import TenantStore


async def changed(database: Database, tenant_id: TenantId, version: int) -> None:
    async with database.write() as transaction:
        statement = update(tenants).where(tenants.c.id == tenant_id)
        await transaction.execute(statement.values(corpus_version=version))


async def test_each_tenant_has_its_own_as_any_process_left_it(
    database: Database, database_url: str
) -> None:
    store = TenantStore(database, "static:test:256")
    ours, theirs = [(await store.create(name, "shared")).id for name in ("a", "b")]
    versions, another = CorpusVersions(database), Database(database_url)
    for number in range(1, 20):
        await changed(another, ours, number)
        assert await versions.of(ours) == number
        assert await versions.of(theirs) == 0
    with pytest.raises(NotFound):
        await versions.of(TenantId("ten_nobody"))
    await versions.close()
    await another.close()


class Locked:
    """A connection to a file that somebody repairs."""

    def execute(self, *_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    def close(self) -> None:
        pass


async def test_what_cannot_be_read_at_once_is_waited_for(
    database: Database, tenant_id: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = CorpusVersions(database)
    monkeypatch.setattr(database._backend, "_quick", Locked(), raising=False)
    await changed(database, tenant_id, 7)
    assert await versions.of(tenant_id) == 7
    await versions.close()
    name = select(tenants.c.name).where(tenants.c.id == bindparam("id"))
    ((found,),) = await database.few(name, {"id": tenant_id})
    assert found
