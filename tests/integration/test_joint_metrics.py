"""Metrics of several processes in one folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from carrel.telemetry import joint

COUNTS = """
import sys, os
from carrel.telemetry import metrics
metrics.isolation_violations.inc(int(sys.argv[1]))
metrics.streams_in_flight.set(int(sys.argv[1]))
if len(sys.argv) > 2:
    import subprocess
    inner = "from carrel.telemetry import metrics as m; m.isolation_violations.inc(100)"
    subprocess.run([sys.executable, "-c", inner], check=True)
print(metrics.exposition().decode(), flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    joint.prepare(tmp_path / "metrics")
    return tmp_path / "metrics"


def run(folder: Path, name: str, *arguments: str) -> str:
    """What a process that bears *name* shows before it is killed."""
    environment = {**os.environ, **joint.environment(folder, name)}
    command = [sys.executable, "-c", COUNTS, *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    ).stdout


def test_counters_are_added_up_and_outlive_who_counted(folder: Path):
    run(folder, "api.0", "1")
    run(folder, "api.1", "2")
    shown = run(folder, "api.0", "4")
    assert "\ncarrel_isolation_violations_total 7.0\n" in shown


def test_gauges_are_those_of_the_living(folder: Path):
    run(folder, "api.0", "1")
    joint.forget(folder, "api.0")
    shown = run(folder, "api.1", "2")
    assert "\ncarrel_streams_in_flight 2.0\n" in shown


def test_a_server_begins_with_no_metrics_of_the_one_before(folder: Path):
    run(folder, "api.0", "1")
    joint.prepare(folder)
    assert "\ncarrel_isolation_violations_total 2.0\n" in run(folder, "api.0", "2")


def test_a_process_that_one_of_ours_starts_has_metrics_of_its_own(folder: Path):
    assert "\ncarrel_isolation_violations_total 1.0\n" in run(folder, "api.0", "1", "inner")
    assert {path.name.split("_")[-1] for path in folder.glob("*.db")} == {"api.0.db"}


def test_without_room_on_the_disk_a_process_counts_for_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    (folder / "counter_api.0.new").mkdir()  # nothing can be written there
    assert "\ncarrel_isolation_violations_total 1.0\n" in run(folder, "api.0", "1")
    assert not list(folder.glob("*.db"))
