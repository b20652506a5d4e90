"""The demo from its start to its end, as a process, with the fake server as its child."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from carrel.cli.demo.server import available_port, environment

PLAY = (sys.executable, "-m", "tests.unit.cli.demo.play")
ROOT = Path(__file__).parents[4]
UP = b"Ctrl-C stops it."


@pytest.fixture
def folder(tmp_path) -> Iterator[Path]:
    """The demo's data folder. What a failed test leaves running in it is ended, by its id."""
    data = tmp_path / "data"
    yield data
    for pid in pids(data):
        if belongs_to(pid, data):
            os.kill(pid, signal.SIGKILL)


def pids(folder: Path) -> list[int]:
    """The server's process and the one that it started, where it came that far."""
    written = folder / "pids"
    return [int(pid) for pid in written.read_text().split()] if written.exists() else []


def belongs_to(pid: int, folder: Path) -> bool:
    """Whether the process is still the one that was started: an id may be in use again."""
    try:
        return f"CARREL_DATA_DIR={folder}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def play(mode: str, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PLAY, mode, "--data-dir", folder, "--port", "0", *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def up(folder) -> Iterator[subprocess.Popen[bytes]]:
    """A demo that has held, with its server up."""
    with subprocess.Popen(
        [*PLAY, "works", "--data-dir", folder, "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as demo:
        try:
            assert demo.stdout is not None
            for line in demo.stdout:
                if UP in line:
                    break
            yield demo
        finally:
            demo.kill()


def assert_nothing_is_left(folder: Path) -> None:
    assert len(pids(folder)) == 2
    for pid in pids(folder):
        wait_for_end(pid)


def wait_for_end(pid: int) -> None:
    """Returns once the process has ended; pidfd_open(2) says when, without polling."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 20)[0], f"process {pid} is still there"
    finally:
        os.close(descriptor)


def test_every_step_holds(folder):
    ended = play("works", folder, "--exit")
    assert ended.stderr == ""
    assert ended.returncode == 0
    assert ended.stdout.count("✓") == 6
    assert "20 documents, 60 chunks" in ended.stdout
    assert re.search(r"^memory\t\d+ MiB in 2 processes", ended.stdout, re.MULTILINE)
    assert "\x1b" not in ended.stdout
    assert_nothing_is_left(folder)


def test_a_leak_between_tenants_breaks_the_demo(folder):
    ended = play("leaks", folder, "--exit")
    assert ended.returncode == 1
    assert "“Ask for the other tenant's document”" in ended.stderr
    assert "expected 404, but the document was handed out" in ended.stderr
    assert_nothing_is_left(folder)


def test_the_other_tenants_answer_breaks_the_demo(folder):
    ended = play("confused", folder, "--exit")
    assert ended.returncode == 1
    assert "question 1, acme: it tells the other tenant's “14 days”" in ended.stderr
    assert_nothing_is_left(folder)


def test_a_server_that_does_not_start_breaks_the_demo_and_is_quoted(folder):
    ended = play("dies", folder, "--exit")
    assert ended.returncode == 1
    assert "“Start the server”: The server ended with status 1" in ended.stderr
    assert "the disk is on fire" in ended.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_server_and_all_it_started(up, folder, number):
    up.send_signal(number)
    assert up.wait(30) == 0
    assert_nothing_is_left(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells the child")
def test_even_a_killed_demo_stops_its_server(up, folder):
    server, _ = pids(folder)
    up.kill()
    up.wait(30)
    wait_for_end(server)


def test_a_server_that_ends_by_itself_ends_the_demo(up, folder):
    server, _ = pids(folder)
    os.kill(server, signal.SIGKILL)
    assert up.wait(30) == 1
    assert_nothing_is_left(folder)


def test_a_port_that_is_taken_is_given_up_for_another():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert available_port(port) != port
    assert available_port(port) == port


def test_the_child_gets_no_setting_that_leads_out_of_its_folder(tmp_path):
    given = {
        "PATH": "/bin",
        "CARREL_DATABASE_URL": "postgresql://production",
        "CARREL_ADMIN_KEY": "theirs",
        "CARREL_LLM__MODEL": "m",
    }
    assert environment(given, "ours", tmp_path) == {
        "PATH": "/bin",
        "CARREL_LLM__MODEL": "m",
        "CARREL_ADMIN_KEY": "ours",
        "CARREL_DATA_DIR": str(tmp_path),
    }
