"""The first admin key, as a person at a terminal meets it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from carrel.database.engine import Database
from carrel.database.migrate import migrate
from carrel.serving.admin_key import announce_first_admin_key
from carrel.settings import Settings
from carrel.tenancy.keys import KeyStore


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", admin_key=None)


async def test_the_key_is_printed_at_the_first_start_only(
    settings: Settings, capsys: pytest.CaptureFixture[str]
):
    await announce_first_admin_key(settings)
    assert "export CARREL_ADMIN_KEY=crl_" in capsys.readouterr().out
    await announce_first_admin_key(settings)
    assert capsys.readouterr().out == ""


async def test_a_lost_key_is_replaced_on_the_servers_machine(settings: Settings, tmp_path: Path):
    await announce_first_admin_key(settings)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CARREL_")}
    ended = subprocess.run(  # noqa: ASYNC221 - nothing else runs in this loop
        [sys.executable, "-m", "carrel", "keys", "replace-admin"],
        env={**environment, "CARREL_DATA_DIR": str(settings.data_dir)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.startswith("crl_")
    assert len(ended.stdout.split()) == 1


async def test_of_processes_that_start_at_once_one_makes_the_key(postgres_url: str):
    databases = [Database(postgres_url) for _ in range(8)]
    try:
        await migrate(databases[0])
        for database in databases:  # connected, so that none comes late
            await database.ping()
        made = await asyncio.gather(*(KeyStore(each).ensure_admin() for each in databases))
        assert sum(key is not None for key in made) == 1
    finally:
        for database in databases:
            await database.close()
