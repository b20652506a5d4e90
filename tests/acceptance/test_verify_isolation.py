"""`carrel verify-isolation`, against a sound server and against one with a predicate removed."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest
from tests.acceptance.server import ADMIN_KEY, Client, Server, running

SOURCE = Path(__file__).parent.parent.parent / "src"
REMOVED = {
    "the engine's tenant condition": (
        "carrel/vectors/edge/filters.py",
        "_is(schema.TENANT, tenant_id),\n        FieldCondition(schema.VISIBLE_TO",
        "FieldCondition(schema.VISIBLE_TO",
    ),
    "the condition on groups": (
        "carrel/database/access.py",
        "~exists().where(_of_document),",
        "documents.c.tenant_id.is_not(None),",
    ),
    "the tenant in the list of documents": (
        "carrel/ingestion/documents.py",
        ".where(documents.c.tenant_id == tenant_id, is_there, seen_by(groups))",
        ".where(is_there)",
    ),
}


async def verify(server: Server) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "carrel", "verify-isolation", "--url", server.url),
        env={**os.environ, "CARREL_ADMIN_KEY": ADMIN_KEY},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_a_sound_server_passes_and_nothing_is_left(server: Server, admin: Client):
    status, output = await verify(server)
    assert status == 0, output
    assert "Isolation holds" in output
    _, tenants = await admin.get("/admin/tenants")
    assert not [each for each in tenants["data"] if each["name"].startswith("verify-isolation")]


@pytest.mark.parametrize("removed", REMOVED)
async def test_a_server_without_a_predicate_fails(tmp_path: Path, removed: str):
    file, predicate, instead = REMOVED[removed]
    shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "src" / file
    text = path.read_text()
    assert predicate in text, "the predicate has changed: change it here, too"
    path.write_text(text.replace(predicate, instead))
    with running(tmp_path / "server", {"PYTHONPATH": str(tmp_path / "src")}) as server:
        status, output = await verify(server)
    assert status == 1, output
    assert "BROKEN" in output
