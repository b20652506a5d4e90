"""Real documents through real parser processes, friendly and hostile."""

import email.message
import email.policy
import io
import struct
import zipfile
from functools import cache
from pathlib import Path

import openpyxl
import pytest
import pytest_asyncio
from tests.integration.parsing import SAMPLES, parse_sample

from carrel.ingestion.parse.media_types import CSV, DOCX, EML, HTML, MARKDOWN, PDF, TEXT, XLSX
from carrel.ingestion.parse.parser import ParseFailed, Parser

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("unblocked_loop"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parser():
    """One parser for all tests of this file: each shows that it outlived those before."""
    parser = Parser(processes=2)
    yield parser
    await parser.close()


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


async def test_a_file_that_is_gone_fails_without_naming_its_path(parser, tmp_path):
    with pytest.raises(ParseFailed) as failure:
        await parser.parse(tmp_path / "gone.txt", TEXT)
    assert str(tmp_path) not in failure.value.reason
