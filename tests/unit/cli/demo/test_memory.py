import os
import subprocess
import sys

import pytest

from carrel.cli.demo.memory import tree_bytes


def process(proc, pid: int, parent: int, pss: int | None) -> None:
    entry = proc / str(pid)
    entry.mkdir()
    (entry / "stat").write_text(f"{pid} (a name) with (both) S {parent} 1 1 0\n")
    if pss is not None:
        (entry / "smaps_rollup").write_text(f"55d-7ff ---p 00:00\nRss: 9999 kB\nPss: {pss} kB\n")


def test_all_descendants_count_and_nobody_else(tmp_path):
    for pid, parent, pss in ((1, 0, 5000), (10, 1, 100), (11, 10, 20), (12, 11, 3), (13, 1, 700)):
        process(tmp_path, pid, parent, pss)
    assert tree_bytes(10, tmp_path) == (123 * 1024, 3)


def test_a_process_that_ended_meanwhile_counts_nothing(tmp_path):
    process(tmp_path, 10, 1, 100)
    process(tmp_path, 11, 10, None)
    (tmp_path / "12").mkdir()
    assert tree_bytes(10, tmp_path) == (100 * 1024, 1)


def test_without_proc_nothing_is_claimed(tmp_path):
    assert tree_bytes(10, tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_child_adds_to_its_parent():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        measured = tree_bytes(os.getpid())
        assert measured is not None
        assert measured[0] > 1_000_000
        assert measured[1] >= 2
        child.communicate(b"\n")
