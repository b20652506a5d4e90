"""The metadata database, on SQLite and on Postgres: each test runs on both."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from carrel.database.engine import Database
from carrel.database.migrate import migrate
from carrel.domain.ids import TenantId
from carrel.tenancy.store import TenantStore


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'carrel.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    await migrate(opened)
    yield opened
    await opened.close()


@pytest.fixture
async def tenant_id(database: Database) -> TenantId:
    return (await TenantStore(database).create("acme")).id
