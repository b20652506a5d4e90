"""The disk is full: uploads are refused with 507, and answers go on."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.stage import stage

MEBIBYTES = 320  # the engine alone takes some 200


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own that is soon full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEBIBYTES}m,mode=700", "tmpfs", str(folder)]
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root, to mount a disk of its own: run the tests in a container")
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a tmpfs: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """A file that takes all of the disk but *leave* bytes."""
    path = folder / "ballast"
    free = shutil.disk_usage(folder).free
    with path.open("wb") as file, contextlib.suppress(OSError):
        file.write(b"\0" * max(0, free - leave))
    return path


async def test_on_a_full_disk_uploads_get_507_and_answers_go_on(small_disk: Path):
    async with stage(small_disk) as house:
        ballast = fill(small_disk, leave=64 * 1024)
        status, refused = await house.tenant.upload("large.md", b"# Words\n\n" + b"word " * 400_000)
        assert (status, refused["error"]["code"]) == (507, "storage_full")
        status, answer = await house.ask()
        assert status == 200, answer
        streamed = await house.stream()
        assert streamed.last == "done"
        status, page = await house.tenant.get("/v1/documents")
        assert [each["id"] for each in page["data"]] == ["policy"], "what was refused is not there"
        ballast.unlink()
        status, document = await house.tenant.upload("large.md", b"# Words\n\nParcels take 2 days.")
        assert (status, document["status"]) == (202, "ready")


async def test_on_a_disk_without_a_byte_answers_go_on(small_disk: Path):
    async with stage(small_disk) as house:
        ballast = fill(small_disk, leave=0)
        assert (await house.ask())[0] == 200
        assert (await house.stream()).last == "done"
        status, _ = await house.tenant.post("/v1/documents", {"text": "Parcels take 2 days."})
        assert status == 507
        ballast.unlink()
        counted = await house.usage(2)
        assert counted["completion_tokens"] == 2 * house.model.behaviour.tokens
