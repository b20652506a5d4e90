"""The short form of `make chaos-ingest`: processes are killed while documents come in."""

from pathlib import Path

import pytest
from bench.chaos.ingestion import measure


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_kills_lose_nothing_double_nothing_and_leave_nothing_on_its_way(tmp_path: Path):
    outcome = await measure(tmp_path, count=80, kills=12, seed=7)
    assert outcome.kills.total() == 12
    assert outcome.sound, str(outcome)
    assert outcome.orphans == 0, str(outcome)
