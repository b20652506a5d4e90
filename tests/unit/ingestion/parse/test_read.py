"""Formats that need no library, and PDF; the others are tested through the child process."""

from io import BytesIO
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from carrel.ingestion.chunk import chunk
from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.failure import ParseFailed
from carrel.ingestion.parse.media_types import CSV, FORMATS, MARKDOWN, PDF, TEXT
from carrel.ingestion.parse.read import read

SAMPLES = Path(__file__).parents[3] / "samples"


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def test_a_pdf_is_markdown_with_the_start_of_each_page():
    document = read(sample("handbook.pdf"), PDF, Caps())
    first, second, third = document.page_starts
    assert document.text[first:second].startswith("# Staff handbook")
    assert document.text[second:third].startswith("# Holidays\n\nEvery employee")
    assert "| Oslo | 210 | 80 |" in document.text[third:]


def test_pages_are_numbered_past_blank_ones():
    out = BytesIO()
    canvas = Canvas(out, invariant=1)
    for words in ("first", "", "third", ""):
        canvas.drawString(100, 500, words)
        canvas.showPage()
    canvas.save()
    document = read(out.getvalue(), PDF, Caps())
    assert len(document.page_starts) == 4
    assert [(c.text, c.page) for c in chunk(document)] == [("first\n\nthird", 1)]
    assert document.page_starts[1] == document.page_starts[2] == document.text.index("third")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("encrypted.pdf", "encrypted"),
        ("truncated.pdf", "damaged or cut short"),
        ("drawing.pdf", "no text: it may consist of scanned pages"),
        ("picture.png", "not a PDF document"),
    ],
)
def test_a_pdf_that_cannot_be_read_says_why(name, reason):
    with pytest.raises(ParseFailed, match=reason):
        read(sample(name), PDF, Caps())


@pytest.mark.parametrize("media_type", FORMATS)
def test_an_empty_file_fails_in_every_format(media_type):
    with pytest.raises(ParseFailed, match="the file is empty"):
        read(b"", media_type, Caps())


@pytest.mark.parametrize("media_type", [TEXT, MARKDOWN, CSV])
@pytest.mark.parametrize("data", [b" \n\t\r\n ", b"***\n---\n", b"\xef\xbb\xbf"])
def test_a_file_without_a_word_fails(media_type, data):
    with pytest.raises(ParseFailed, match="the document has no text"):
        read(data, media_type, Caps())


def test_a_media_type_out_of_nowhere_fails():
    with pytest.raises(ParseFailed, match="image/png"):
        read(b"x", "image/png", Caps())


def test_markdown_keeps_its_structure_and_gives_its_title():
    document = read(sample("notes.md"), MARKDOWN, Caps())
    assert document.title == "Release notes"
    assert "```python\n# not a heading\n" in document.text
    assert document.page_starts == ()


def test_a_comment_is_no_title_of_a_plain_text():
    assert read(b"# comment\nvalue\n", TEXT, Caps()).title is None


def test_images_are_replaced_by_their_description():
    text = b'Before ![a till](http://a.example/x_(1).png "t") and ![](img_1.png) after [link](u).'
    assert read(text, MARKDOWN, Caps()).text == "Before a till and  after [link](u)."


def test_plain_text_is_left_as_it_is():
    assert read(b"if (![a](b)) x\n", TEXT, Caps()).text == "if (![a](b)) x"


def test_control_characters_never_reach_the_database():
    assert read(b"a\x0cb\x1b[0m\x7f\tc\xef\xbb\xbf", TEXT, Caps()).text == "ab[0m\tc"


def test_more_text_than_allowed_fails():
    with pytest.raises(ParseFailed, match="more than 1,000 characters"):
        read(b"word " * 1000, TEXT, Caps(text_characters=1000))


def test_a_hostile_run_of_brackets_takes_no_longer_than_its_length():
    assert read(b"![](![](" * 100_000 + b" word", MARKDOWN, Caps()).text.endswith("word")
