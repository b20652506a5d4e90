"""Every hostile file fails clearly, or is read within its caps; the next one is read as ever."""

import re
from pathlib import Path

import pytest
import pytest_asyncio
from tests.hostile.corpus import HOSTILE, Hostile

from carrel.ingestion.parse.media_types import TEXT
from carrel.ingestion.parse.parser import ParseFailed, Parser

pytestmark = pytest.mark.asyncio(loop_scope="module")
GROWN_BYTES = 100 << 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parser():
    parser = Parser(processes=1, timeout_seconds=15)
    yield parser
    await parser.close()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def outcome(parser: Parser, path: Path, media_type: str) -> tuple[str, str]:
    """The document's text, or the reason for which there is none."""
    try:
        return (await parser.parse(path, media_type)).document.text, ""
    except ParseFailed as failure:
        return "", failure.reason


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda each: each.name)
async def test_a_hostile_file_fails_clearly_and_alone(
    parser: Parser, tmp_path: Path, hostile: Hostile
):
    (tmp_path / "file").write_bytes(hostile.make())
    (tmp_path / "next").write_text("The fee is 7 euros.")
    before = resident()
    text, reason = await outcome(parser, tmp_path / "file", hostile.media_type)
    assert text or reason
    if hostile.reason is not None:
        assert re.search(hostile.reason, reason), reason or "it was read"
    assert str(tmp_path) not in reason
    assert "root:" not in text
    del text
    assert resident() - before < GROWN_BYTES
    assert (await parser.parse(tmp_path / "next", TEXT)).chunks
