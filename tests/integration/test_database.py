import asyncio
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from carrel.database.engine import Database
from carrel.database.migrate import HEAD, MIGRATIONS, current_revision, migrate
from carrel.database.tables import documents, metadata, tenants, versions
from carrel.domain.errors import Unavailable
from carrel.domain.ids import TenantId
from carrel.tenancy.store import TenantStore


async def test_the_migrated_schema_is_the_one_that_the_tables_describe(database: Database):
    async with database.read() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
        )
        revision = await connection.run_sync(current_revision)
    assert differences == []
    assert revision == HEAD


def test_head_is_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


async def test_a_few_rows_are_found_by_their_keys(database: Database, tenant_id: TenantId):
    found = (
        select(tenants.c.id, tenants.c.name)
        .where(tenants.c.id.in_(bindparam("ids", expanding=True)))
        .where(tenants.c.status == bindparam("status"))
    )
    (name,) = await database.fetch(select(tenants.c.name).where(tenants.c.id == tenant_id))
    for ids in ([], [tenant_id], ["ten_x", tenant_id, "ten_y"], ["ten_x"]):
        rows = await database.few(found, {"ids": ids, "status": "active"})
        assert [tuple(row) for row in rows] == [(tenant_id, name[0])] * (tenant_id in ids)
    assert not await database.few(found, {"ids": [tenant_id], "status": "erasing"})


async def test_what_an_older_version_stored_is_there_after_the_migration(database_url: str):
    def first(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    opened = Database(database_url)
    async with opened.write() as connection:
        await connection.run_sync(first)
    tenant_id = (await TenantStore(opened).create("acme")).id
    await migrate(opened)
    assert [row.id for row in await opened.fetch(select(tenants))] == [tenant_id]
    assert await opened.fetch(select(versions.c.chunking)) == []
    await opened.close()


async def test_processes_that_start_together_migrate_once(database_url: str):
    opened = [Database(database_url) for _ in range(4)]
    await asyncio.gather(*(migrate(each) for each in opened))
    async with opened[0].read() as connection:
        assert await connection.run_sync(current_revision) == HEAD
    for each in opened:
        await each.close()


async def test_no_update_is_lost_among_concurrent_writers(
    database: Database, database_url: str, tenant_id: TenantId
):
    others = [database, Database(database_url), Database(database_url)]

    async def read_then_write(through: Database) -> None:
        async with through.write() as connection:
            query = select(tenants.c.corpus_version).where(tenants.c.id == tenant_id)
            seen = (await connection.execute(query.with_for_update())).scalar_one()
            await asyncio.sleep(0)
            await connection.execute(
                update(tenants).where(tenants.c.id == tenant_id).values(corpus_version=seen + 1)
            )

    await asyncio.gather(*(read_then_write(others[i % 3]) for i in range(90)))
    async with database.read() as connection:
        assert (await connection.execute(select(tenants.c.corpus_version))).scalar_one() == 90
    for each in others[1:]:
        await each.close()


async def test_a_failed_transaction_changes_nothing(database: Database, tenant_id: TenantId):
    async def change_then_fail() -> None:
        async with database.write() as connection:
            await connection.execute(update(tenants).values(name="changed"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await change_then_fail()
    assert (await TenantStore(database).get(tenant_id)).name == "acme"


async def test_a_row_of_no_tenant_is_refused(database: Database):
    async def insert_document_of_nobody() -> None:
        async with database.write() as connection:
            await connection.execute(
                insert(documents).values(
                    tenant_id="ten_none",
                    id="d",
                    live_version=0,
                    newest_version=1,
                    deleted_through=0,
                    created_at=datetime.now(UTC),
                )
            )

    with pytest.raises(IntegrityError):
        await insert_document_of_nobody()


async def test_a_database_that_does_not_answer_is_unavailable():
    database = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        await database.ping()
    await database.close()
