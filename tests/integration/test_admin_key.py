"""The first admin key, as a person at a terminal meets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from carrel.serving.admin_key import announce_first_admin_key
from carrel.settings import Settings


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
