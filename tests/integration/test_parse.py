"""Real documents through real parser processes, friendly and hostile."""

import asyncio
import email.message
import email.policy
import io
import os
import signal
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import openpyxl
import pytest
import pytest_asyncio

from carrel.domain.errors import Unavailable
from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.detect import HEAD_BYTES, detect
from carrel.ingestion.parse.failure import ParserKilled
from carrel.ingestion.parse.media_types import CSV, DOCX, EML, HTML, MARKDOWN, PDF, TEXT, XLSX
from carrel.ingestion.parse.parser import ParseFailed, Parser, ParseResult
from carrel.ingestion.parse.process import ParserProcess
from carrel.ingestion.parse.wire import Task

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("unblocked_loop"),
]
SAMPLES = Path(__file__).parents[1] / "samples"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parser():
    """One parser for all tests of this file: each shows that it outlived those before."""
    parser = Parser(processes=2)
    yield parser
    await parser.close()


async def parse_sample(parser: Parser, name: str) -> ParseResult:
    path = SAMPLES / name
    return await parser.parse(path, detect(name, None, path.read_bytes()[:HEAD_BYTES]))


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


# What each format gives


async def test_word_gives_headings_tables_and_its_title(parser):
    result = await parse_sample(parser, "policy.docx")
    assert result.document.title == "Travel policy"
    assert [c.heading for c in result.chunks] == [
        "Travel policy › Refunds",
        "Travel policy › Rates",
    ]
    assert "| Oslo | 210 | 80 |" in result.chunks[1].text
    assert result.document.page_starts == ()


async def test_powerpoint_gives_slides_as_pages(parser):
    result = await parse_sample(parser, "review.pptx")
    assert result.document.title == "Quarterly review"
    assert [(c.heading, c.page) for c in result.chunks] == [("Refunds", 1), ("Holidays", 2)]


async def test_excel_gives_rows_that_name_their_columns_and_values_of_formulas(parser):
    result = await parse_sample(parser, "rates.xlsx")
    assert result.document.text == (
        "## Rates\n\n"
        "- City: Lisbon; Hotel: 140; Meals: 45; Total: 185\n"
        "- City: Oslo; Hotel: 210; Meals: 80; Total: 290\n\n"
        "## Notes\n\n"
        "- Topic: Oslo; Note: Book early"
    )


async def test_html_gives_its_text_without_scripts_navigation_and_images(parser):
    result = await parse_sample(parser, "page.html")
    assert result.document.title == "Help centre: refunds"
    assert result.document.text.startswith("# Refunds\n\nRefunds are paid within **30 days**")
    for absent in ("track(", "color", "Home", "192.0.2.1", "title:"):
        assert absent not in result.document.text


async def test_an_e_mail_gives_its_headers_body_and_the_names_of_its_attachments(parser):
    result = await parse_sample(parser, "mail.eml")
    assert result.document.title == "Refund for order 1815 – approved"
    for present in ("<ada@example.com>", "120 euros was approved", "order.csv", "lamp.png"):
        assert present in result.document.text
    assert "lamp,120" not in result.document.text


async def test_a_pdf_gives_chunks_with_their_pages(parser):
    result = await parse_sample(parser, "handbook.pdf")
    assert [c.page for c in result.chunks] == [1, 2, 3]
    assert all(result.document.text[c.start : c.end] == c.text for c in result.chunks)


@pytest.mark.parametrize("name", ["notes.md", "plain.txt", "rates.csv"])
async def test_text_formats_give_chunks(parser, name):
    result = await parse_sample(parser, name)
    assert [c.ordinal for c in result.chunks] == list(range(len(result.chunks)))
    assert result.chunks


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "utf-16"])
@pytest.mark.parametrize("media_type", [TEXT, MARKDOWN, CSV, HTML])
async def test_text_in_another_encoding_is_read(parser, tmp_path, encoding, media_type):
    words = "Возврат денег занимает тридцать дней, не больше."
    document = f'<meta charset="{encoding}"><p>{words}' if media_type == HTML else words
    (tmp_path / "text").write_bytes(document.encode(encoding))
    result = await parser.parse(tmp_path / "text", media_type)
    assert "занимает тридцать дней" in result.document.text


# Hostile documents


@cache
def bomb() -> bytes:
    """A Word document of two gigabytes of zeros."""
    out = io.BytesIO()
    zeros = bytes(1 << 20)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w", force_zip64=True) as member:
            for _ in range(2048):
                member.write(zeros)
    return out.getvalue()


def lying_bomb() -> bytes:
    """A Word document of 400 megabytes that declares a few bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("word/document.xml", bytes(400_000_000))
    return out.getvalue().replace(struct.pack("<I", 400_000_000), struct.pack("<I", 1000))


def laughs() -> bytes:
    """A Word document whose entities grow to a billion words."""
    entities = "".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' if n else '<!ENTITY e0 "ha">' for n in range(10)
    )
    out = io.BytesIO()
    with (
        zipfile.ZipFile(SAMPLES / "policy.docx") as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in source.namelist():
            data = source.read(name)
            if name == "word/document.xml":
                declared = f"<!DOCTYPE d [{entities}]><w:document".encode()
                data = data.replace(b"<w:document", declared, 1)
                data = data.replace(b"Refunds are", b"&e9; Refunds are", 1)
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("make", "media_type", "reason"),
    [
        (lambda: b"", TEXT, "the file is empty"),
        (lambda: b" \n\t " * 1000, HTML, "no text"),
        ((SAMPLES / "encrypted.pdf").read_bytes, PDF, "encrypted"),
        ((SAMPLES / "truncated.pdf").read_bytes, PDF, "damaged or cut short"),
        ((SAMPLES / "drawing.pdf").read_bytes, PDF, "scanned pages"),
        ((SAMPLES / "picture.png").read_bytes, PDF, "not a PDF document"),
        ((SAMPLES / "review.pptx").read_bytes, DOCX, "no Word document"),
        (lambda: (SAMPLES / "policy.docx").read_bytes()[:9000], DOCX, "damaged or cut short"),
        (bomb, DOCX, "too large once unpacked"),
        (lying_bomb, DOCX, "damaged|too large|memory"),
        (
            lambda: b"<p>Refunds are paid in thirty days.</p>\n" * 1_000_000,
            HTML,
            "1024 MiB of memory",
        ),
        (lambda: b"<div>" * 1_000_000 + b"text", HTML, "no text"),
        (lambda: b"a," * 20_000_000, CSV, "more than 20,000,000 characters"),
        (lambda: b"text\0with\0zeros", TEXT, "zero bytes"),
        (lambda: b"\r\n\r\n", EML, "no text"),
    ],
    ids=[
        "empty",
        "blank",
        "encrypted PDF",
        "truncated PDF",
        "scanned PDF",
        "PNG as PDF",
        "PPTX as DOCX",
        "truncated DOCX",
        "DOCX bomb",
        "lying DOCX bomb",
        "40 MB HTML",
        "deep HTML",
        "one line of 40 MB",
        "zero bytes",
        "bare EML",
    ],
)
async def test_a_hostile_document_fails_with_its_reason_and_nothing_else_does(
    parser, tmp_path, make, media_type, reason
):
    (tmp_path / "document").write_bytes(make())
    with pytest.raises(ParseFailed, match=reason):
        await parser.parse(tmp_path / "document", media_type)
    assert (await parse_sample(parser, "plain.txt")).chunks


async def test_entities_that_multiply_are_not_expanded(parser, tmp_path):
    (tmp_path / "document").write_bytes(laughs())
    try:
        text = (await parser.parse(tmp_path / "document", DOCX)).document.text
    except ParseFailed:
        return
    assert text.count("ha") < 100


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"caf\xe9 \x81\xff\xfe text " * 100, TEXT),
        (b"a" * 200_000, CSV),
        (b"<div><b>" * 150 + "über".encode("latin-1"), HTML),
        (b"%PDF- is how a PDF begins", MARKDOWN),
        (b"| a |\n|---|\n" + b"| b |\n" * 20_000, MARKDOWN),
    ],
    ids=["invalid UTF-8", "one enormous cell", "300 tags deep", "PDF magic", "long table"],
)
async def test_an_odd_document_is_read(parser, tmp_path, content, media_type):
    (tmp_path / "document").write_bytes(content)
    assert (await parser.parse(tmp_path / "document", media_type)).chunks


async def test_a_formula_without_a_stored_value_is_left_out(parser, tmp_path):
    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, "=A2*2"], [2, 3]):
        book.active.append(row)
    book.save(tmp_path / "book.xlsx")
    result = await parser.parse(tmp_path / "book.xlsx", XLSX)
    assert result.document.text == "## Sheet\n\n- a: 1\n- a: 2; b: 3"


async def test_an_attachment_that_is_a_bomb_is_not_opened(parser, tmp_path):
    message = email.message.EmailMessage(email.policy.SMTP)
    message["Subject"] = "Hello"
    message.set_content("See the attachment.")
    message.add_attachment(bomb(), maintype="application", subtype="zip", filename="bomb.docx")
    (tmp_path / "mail.eml").write_bytes(message.as_bytes())
    result = await parser.parse(tmp_path / "mail.eml", EML)
    assert "See the attachment." in result.document.text
    assert "bomb.docx" in result.document.text


async def test_the_parents_memory_does_not_grow_with_the_document(parser, tmp_path):
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    (tmp_path / "page.html").write_bytes(b"<p>Refunds are paid in thirty days.</p>\n" * 1_000_000)
    before = resident()
    with pytest.raises(ParseFailed):
        await parser.parse(tmp_path / "page.html", HTML)
    assert resident() - before < 16 << 20


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


async def test_a_file_that_is_gone_fails_without_naming_its_path(parser, tmp_path):
    with pytest.raises(ParseFailed) as failure:
        await parser.parse(tmp_path / "gone.txt", TEXT)
    assert str(tmp_path) not in failure.value.reason
