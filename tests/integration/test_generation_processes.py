"""Several processes, each a replica, ask one question through one Redis."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Read = tuple[bool, int, str]


class Stage:
    """Replicas, and the file in which their leaders note what they do."""

    def __init__(self, url: str, starts: Path) -> None:
        self._orders = {"url": url, "starts": str(starts)}
        self._starts = starts
        self.processes: list[subprocess.Popen[str]] = []

    def replica(self, **orders: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.integration.generation_worker"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        process = subprocess.Popen(command, **pipes)
        self.processes.append(process)
        say(process, json.dumps({**self._orders, **orders}))
        return process

    def notes(self, word: str) -> list[str]:
        """The processes that noted *word*, as often as they did."""
        whole, _, _ = (self._starts.read_text() if self._starts.exists() else "").rpartition("\n")
        notes = (line.split() for line in whole.splitlines())
        return [pid for said, pid in notes if said == word]

    def until(self, word: str, times: int) -> None:
        while len(self.notes(word)) < times:
            time.sleep(0.005)


@contextlib.contextmanager
def staged(url: str, folder: Path) -> Iterator[Stage]:
    stage = Stage(url, folder / "starts")
    try:
        yield stage
    finally:
        for process in stage.processes:
            process.kill()
            process.communicate()


def say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin
    process.stdin.write(line + "\n")
    process.stdin.flush()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def begin(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        assert heard(process) == "ready\n"
    for process in processes:
        say(process, "go")


def read_by(process: subprocess.Popen[str]) -> list[Read]:
    read = [(bool(leads), int(restarts), str(text)) for leads, restarts, text in
            json.loads(heard(process))]  # fmt: skip
    assert process.wait(30) == 0
    return read


def whole(pid: str, events: int) -> str:
    return " ".join(f"{pid}:{n}" for n in range(events))


def test_a_thousand_questions_over_two_processes_start_one_leader(redis_url: str, tmp_path: Path):
    with staged(redis_url, tmp_path) as stage:
        processes = [stage.replica(readers=500, events=30, pause_seconds=0.1) for _ in range(2)]
        begin(*processes)
        read = [each for process in processes for each in read_by(process)]
        (leader,) = stage.notes("begin")
    assert Counter(read) == {
        (True, 0, whole(leader, 30)): 1,
        (False, 0, whole(leader, 30)): 999,
    }


def test_all_are_answered_when_the_leader_is_killed_half_way(redis_url: str, tmp_path: Path):
    orders = {"readers": 250, "events": 40, "pause_seconds": 0.05, "lease_seconds": 2.0}
    with staged(redis_url, tmp_path) as stage:
        leader = stage.replica(**orders)
        begin(leader)
        stage.until("begin", 1)
        others = [stage.replica(**orders) for _ in range(2)]
        begin(*others)
        stage.until("event", 20)
        leader.send_signal(signal.SIGKILL)
        read = [each for other in others for each in read_by(other)]
        starts = stage.notes("begin")
    assert len(read) == 500
    assert starts[0] == str(leader.pid)
    assert len(starts) == 2
    assert {text for _, _, text in read} == {whole(starts[1], 40)}
    assert {restarts for _, restarts, _ in read} <= {0, 1}
    assert sum(leads for leads, _, _ in read) == 1


def test_a_leader_is_cut_when_the_last_reader_in_another_process_leaves_or_is_killed(
    redis_url: str, tmp_path: Path
):
    orders = {"events": 100_000, "pause_seconds": 0.02, "lease_seconds": 2.0}
    with staged(redis_url, tmp_path) as stage:
        leader = stage.replica(readers=2, stay_seconds=1.5, **orders)
        begin(leader)
        stage.until("begin", 1)
        killed = stage.replica(readers=3, **orders)
        begin(killed)
        assert heard(leader) == "left\n"
        events = len(stage.notes("event"))
        stage.until("event", events + 20)  # it goes on for those elsewhere
        assert stage.notes("cancelled") == []
        killed.send_signal(signal.SIGKILL)
        stage.until("cancelled", 1)
        say(leader, "go home")
        assert leader.wait(30) == 0
        assert stage.notes("begin") == stage.notes("cancelled") == [str(leader.pid)]


def test_a_stopped_leader_that_wakes_up_writes_into_nobodys_text(redis_url: str, tmp_path: Path):
    orders = {"events": 60, "pause_seconds": 0.05, "lease_seconds": 1.5}
    with staged(redis_url, tmp_path) as stage:
        slow = stage.replica(readers=5, **orders)
        begin(slow)
        stage.until("begin", 1)
        other = stage.replica(readers=5, **orders)
        begin(other)
        stage.until("event", 20)
        slow.send_signal(signal.SIGSTOP)
        stage.until("begin", 2)
        slow.send_signal(signal.SIGCONT)
        new = str(other.pid)
        texts = {text for process in (slow, other) for _, _, text in read_by(process)}
        assert texts == {whole(new, 60)}
        assert stage.notes("begin") == [str(slow.pid), new]
        assert stage.notes("end") == [new]
