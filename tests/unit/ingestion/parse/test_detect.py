import io
import zipfile
from pathlib import Path

import pytest

from carrel.domain.errors import UnsupportedMediaType
from carrel.ingestion.parse.detect import HEAD_BYTES, detect
from carrel.ingestion.parse.media_types import (
    CSV,
    DOCX,
    EML,
    FORMATS,
    HTML,
    MARKDOWN,
    PDF,
    PPTX,
    TEXT,
    XLSX,
    ZIP,
)

SAMPLES = Path(__file__).parents[3] / "samples"


def head(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()[:HEAD_BYTES]


def archive(*members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as writer:
        for member in members:
            writer.writestr(member, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("handbook.pdf", PDF),
        ("policy.docx", DOCX),
        ("review.pptx", PPTX),
        ("rates.xlsx", XLSX),
        ("page.html", HTML),
        ("mail.eml", EML),
        ("notes.md", MARKDOWN),
        ("plain.txt", TEXT),
        ("rates.csv", CSV),
    ],
)
def test_each_format_is_known_by_its_name_and_bytes(name, media_type):
    assert detect(name, None, head(name)) == media_type
    assert detect(name.upper(), "application/octet-stream", head(name)) == media_type


@pytest.mark.parametrize("name", ["handbook.pdf", "policy.docx", "review.pptx", "rates.xlsx"])
def test_bytes_outrank_the_name(name):
    right = detect(name, None, head(name))
    assert detect("renamed.txt", "text/plain", head(name)) == right
    assert detect(None, None, head(name)) == right


def test_the_name_outranks_what_the_client_declares():
    assert detect("a.csv", "application/vnd.ms-excel", b"a,b\n") == CSV
    assert detect("a.md", "text/plain; charset=utf-8", b"# x\n") == MARKDOWN


def test_without_a_known_extension_the_declared_type_counts():
    assert detect("settings.toml", "text/plain", b"a = 1\n") == TEXT
    assert detect(None, "Text/Markdown; charset=utf-8", b"# x\n") == MARKDOWN
    assert detect("page", "application/xhtml+xml", b"<p>") == HTML


def test_a_nameless_text_is_plain_text_or_html():
    assert detect("README", None, b"hello\n") == TEXT
    assert detect("", "application/octet-stream", b"\n<!DOCTYPE html><p>x") == HTML


def test_an_empty_file_is_of_the_type_that_its_name_says():
    assert detect("empty.pdf", None, b"") == PDF


def test_utf_16_text_is_text_in_spite_of_its_zero_bytes():
    assert detect("a.txt", None, "hello".encode("utf-16")) == TEXT


def test_a_text_that_begins_like_a_program_is_text():
    assert detect("a.txt", None, b"MZ is a state in the history of Europe.") == TEXT


@pytest.mark.parametrize(
    ("filename", "first", "what"),
    [
        ("scan.pdf", b"\x89PNG\r\n\x1a\n", "a PNG image"),
        ("notes.txt", b"\xff\xd8\xff\xe0", "a JPEG image"),
        ("old.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "protected by a password"),
        ("data.csv", b"a\0b", "a binary file"),
        ("letter.txt", b"{\\rtf1", "Rich Text"),
        ("fake.pdf", b"just text", "by the name of PDF document, but"),
        ("fake.xlsx", b"a,b\n", "by the name of Excel workbook, but"),
        ("video.mp4", b"text?", "'.mp4'"),
        ("archive.docx", b"PK\x05\x06" + bytes(18), "an empty ZIP archive"),
    ],
)
def test_a_refusal_says_what_the_file_is_and_what_is_supported(filename, first, what):
    with pytest.raises(UnsupportedMediaType) as refusal:
        detect(filename, None, first)
    assert what in refusal.value.message
    assert refusal.value.param == "file"
    assert all(known.extensions[0] in refusal.value.message for known in FORMATS.values())


def test_a_zip_archive_of_anything_else_is_one_of_documents():
    assert detect("files.zip", "application/zip", archive("a.txt", "b.txt")) == ZIP
    assert detect("files.txt", None, archive("a.txt")) == ZIP
    with pytest.raises(UnsupportedMediaType, match="ZIP archive"):
        detect("files.zip", None, b"no archive at all")


def test_a_container_is_told_by_its_members_and_where_those_are_silent_by_its_name():
    assert detect("a.pptx", None, archive("docProps/app.xml", "word/document.xml")) == DOCX
    assert detect("a.pptx", None, archive("[Content_Types].xml")) == PPTX


def test_a_declared_type_with_a_file_of_another_kind_is_refused():
    with pytest.raises(UnsupportedMediaType, match="by the name of PDF"):
        detect("report", "application/pdf", b"plain words")
