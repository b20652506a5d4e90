"""The processes that parse: their caps, and how they live and end."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.parsing import parse_sample

from carrel.domain.errors import Unavailable
from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.failure import ParserKilled
from carrel.ingestion.parse.media_types import TEXT
from carrel.ingestion.parse.parser import ParseFailed, Parser
from carrel.ingestion.parse.process import ParserProcess
from carrel.ingestion.parse.wire import Task

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("unblocked_loop"),
]


def the_idle(parser: Parser) -> ParserProcess:
    (child,) = parser._idle
    return child


class Pipe:
    """A document that is being read until the test says what it contains."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "document"
        os.mkfifo(self.path)

    async def opened(self) -> None:
        """Returns once a child waits for the content."""
        self._writer = await asyncio.to_thread(self.path.open, "wb", buffering=0)

    async def write(self, content: bytes) -> None:
        await asyncio.to_thread(self._writer.write, content)
        self.close()

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    pipe = Pipe(tmp_path)
    yield pipe
    pipe.close()


# Caps


async def test_a_document_that_takes_too_long_fails(pipe):
    parser = Parser(timeout_seconds=1)
    await parse_sample(parser, "plain.txt")
    with pytest.raises(ParseFailed, match="takes more than 1 seconds"):
        await asyncio.gather(parser.parse(pipe.path, TEXT), pipe.opened())
    assert (await parse_sample(parser, "plain.txt")).chunks
    await parser.close()


async def test_a_document_that_takes_too_much_processor_time_fails(tmp_path):
    (tmp_path / "text").write_bytes(b"x" * 10_000_000)
    child = await ParserProcess.start(Caps(processor_seconds=1), timeout_seconds=100)
    with pytest.raises(ParseFailed, match="more than 1 seconds of processor time"):
        await child.parse(Task(str(tmp_path / "text"), TEXT))
    await child.kill()


@pytest.mark.parametrize(
    ("caps", "reason"),
    [
        ({"text_characters": 1000}, "more than 1,000 characters"),
        ({"chunks": 3}, "more than 3 chunks"),
    ],
)
async def test_a_document_with_too_much_in_it_fails(tmp_path, caps, reason):
    parser = Parser(**caps)
    (tmp_path / "text").write_text("The kitchen opens at seven. " * 1000)
    with pytest.raises(ParseFailed, match=reason):
        await parser.parse(tmp_path / "text", TEXT)
    await parser.close()


async def test_a_child_runs_under_its_caps_and_without_the_parents_secrets(monkeypatch):
    monkeypatch.setenv("CARREL_ADMIN_KEY", "x" * 40)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    child = await ParserProcess.start(Caps(memory_bytes=512 << 20), timeout_seconds=10)
    process = Path(f"/proc/{child.pid}")
    limits = {
        line[:26].strip(): line[26:].split()[:2]
        for line in (process / "limits").read_text().splitlines()
    }
    assert limits["Max address space"] == [str(512 << 20)] * 2
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max open files"] == ["64", "64"]
    assert limits["Max file size"] == [str(1 << 20)] * 2
    environment = (process / "environ").read_text()
    assert "CARREL" not in environment
    assert "secret" not in environment
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
    await child.stop()


# The life of a child


async def test_one_child_serves_one_document_after_the_other():
    parser = Parser(processes=1)
    await asyncio.gather(*(parse_sample(parser, "plain.txt") for _ in range(5)))
    assert the_idle(parser).served == 5
    await parser.close()


async def test_no_more_children_work_at_once_than_allowed():
    parser = Parser(processes=2)
    await asyncio.gather(*(parse_sample(parser, "plain.txt") for _ in range(20)))
    assert 1 <= len(parser._idle) <= 2
    assert sum(child.served for child in parser._idle) == 20
    await parser.close()


async def test_a_child_is_replaced_after_its_share_of_documents():
    parser = Parser(processes=1, documents_per_process=2)
    for _ in range(2):
        await parse_sample(parser, "plain.txt")
    assert not parser._idle
    await parse_sample(parser, "plain.txt")
    assert the_idle(parser).served == 1
    await parser.close()


async def test_a_child_is_replaced_after_a_failure():
    parser = Parser(processes=1)
    await parse_sample(parser, "plain.txt")
    child = the_idle(parser)
    with pytest.raises(ParseFailed):
        await parse_sample(parser, "encrypted.pdf")
    assert not child.alive
    assert not parser._idle
    await parser.close()


async def test_a_child_whose_memory_has_grown_is_replaced(monkeypatch):
    monkeypatch.setattr("carrel.ingestion.parse.parser._GROWN_BYTES", 1)
    parser = Parser(processes=1)
    await parse_sample(parser, "plain.txt")
    assert not parser._idle
    await parser.close()


async def test_an_idle_child_is_stopped(monkeypatch):
    parser = Parser(processes=1, idle_seconds=0)
    stopped = asyncio.get_running_loop().create_future()
    stop = parser._stop

    def stop_and_tell(child: ParserProcess) -> None:
        stop(child)
        stopped.set_result(child)

    monkeypatch.setattr(parser, "_stop", stop_and_tell)
    await parse_sample(parser, "plain.txt")
    child = await stopped
    await child._process.wait()
    assert child._process.returncode == 0
    assert not parser._idle
    await parser.close()


async def test_a_child_that_died_idle_is_replaced_unseen():
    parser = Parser(processes=1)
    await parse_sample(parser, "plain.txt")
    child = the_idle(parser)
    os.kill(child.pid, signal.SIGKILL)
    await child._process.wait()
    assert (await parse_sample(parser, "plain.txt")).chunks
    assert the_idle(parser) is not child
    await parser.close()


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGKILL, ParserKilled), (signal.SIGSEGV, ParseFailed)]
)
async def test_a_child_that_dies_fails_its_document_alone(pipe, number, error):
    # A crash is the document's fault; what is killed from outside may be read another time.
    parser = Parser(processes=2)
    await parse_sample(parser, "plain.txt")
    child = the_idle(parser)
    parsing = asyncio.create_task(parser.parse(pipe.path, TEXT))
    await pipe.opened()
    other = asyncio.create_task(parse_sample(parser, "notes.md"))
    os.kill(child.pid, number)
    with pytest.raises(error, match=r"its parser crashed|was killed"):
        await parsing
    assert (await other).chunks
    await parser.close()


async def test_cancelling_kills_the_child_and_frees_its_place(pipe):
    parser = Parser(processes=1)
    await parse_sample(parser, "plain.txt")
    child = the_idle(parser)
    parsing = asyncio.create_task(parser.parse(pipe.path, TEXT))
    await pipe.opened()
    parsing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await parsing
    assert not child.alive
    assert (await parse_sample(parser, "plain.txt")).chunks
    await parser.close()


async def test_a_slow_document_holds_up_no_other(pipe):
    parser = Parser(processes=2)
    slow = asyncio.create_task(parser.parse(pipe.path, TEXT))
    await pipe.opened()
    assert (await parse_sample(parser, "handbook.pdf")).chunks
    assert not slow.done()
    await pipe.write(b"At last.")
    assert [c.text for c in (await slow).chunks] == ["At last."]
    await parser.close()


async def test_closing_leaves_no_child_behind():
    parser = Parser(processes=2)
    await asyncio.gather(*(parse_sample(parser, "plain.txt") for _ in range(4)))
    children = list(parser._idle)
    await parser.close()
    assert children
    assert not any(child.alive for child in children)


def run_child(stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "carrel.ingestion.parse.child"]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=60)


async def test_a_child_ends_by_itself_when_its_parent_is_gone():
    from carrel.ingestion.parse.wire import frame

    ended = await asyncio.to_thread(run_child, frame(Caps()))
    assert ended.returncode == 0
    assert ended.stderr == b""


@pytest.mark.parametrize("program", ["/nonexistent/python", "/bin/false"])
async def test_a_child_that_does_not_start_is_no_fault_of_the_document(monkeypatch, program):
    monkeypatch.setattr(sys, "executable", program)
    parser = Parser()
    with pytest.raises(Unavailable, match="parser process"):
        await parse_sample(parser, "plain.txt")
    await parser.close()
