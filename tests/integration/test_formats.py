"""The corpus of samples: per format, what was expected of it and what came out.

`title`, `headings` and `pages` are what citations show; `text` must be found as it stands, which
for tables says how a model reads them; `absent` must not be there.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.detect import HEAD_BYTES, detect
from carrel.ingestion.parse.parser import Parser

SAMPLES = Path(__file__).parents[1] / "samples"
REFUNDS = "Refunds are paid within 30 days of the return."


@dataclass(frozen=True)
class Expected:
    file: str
    title: str | None = None
    headings: list[str] = field(default_factory=list)
    pages: list[int | None] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


FORMATS = [
    Expected(
        "handbook.pdf",
        title="Staff handbook Refunds",
        headings=["Staff handbook Refunds", "Holidays", "Travel rates"],
        pages=[1, 2, 3],
        text=[REFUNDS, "| City | Hotel | Meals |\n|---|---|---|\n| Lisbon | 140 | 45 |"],
    ),
    Expected(
        "columns.pdf",
        pages=[1],
        text=["500 euros needs a second signature. Left 1.", "end of March. Right 2."],
    ),
    Expected(
        "policy.docx",
        title="Travel policy",
        headings=["Travel policy › Refunds", "Travel policy › Rates"],
        text=[REFUNDS, "| Oslo | 210 | 80 |"],
    ),
    Expected(
        "review.pptx",
        title="Quarterly review",
        headings=["Refunds", "Holidays"],
        pages=[1, 2],
        text=[REFUNDS],
    ),
    Expected(
        "rates.xlsx",
        title="Travel rates",
        headings=["Rates", "Notes"],
        text=["- City: Oslo; Hotel: 210; Meals: 80; Total: 290", "- Topic: Oslo; Note: Book early"],
    ),
    Expected(
        "page.html",
        title="Help centre: refunds",
        headings=["Refunds"],
        text=["Refunds are paid within **30 days**"],
        absent=["track(", "Home", "<"],
    ),
    Expected("notes.md", headings=["Release notes › Version 2 › Refunds"]),
    Expected("plain.txt"),
    Expected("rates.csv", text=["City: Oslo; "]),
    Expected(
        "fleet.json",
        headings=["cars", "rules"],
        text=["- plate: CD 456; seats: 9; service.at: Lillehammer; service.due: 2026-03-01"],
        absent=["null", "{"],
    ),
    Expected(
        "rates.eml",
        title="Rates for 2026",
        headings=["handbook.pdf › Holidays", "rätes.csv", "Not read"],
        text=[
            "**From**: Ada <ada@example.com>",
            "Oslo is booked out in June.",
            "- City: Oslo; Hotel: 210; Meals: 80",
            "- logo.png: the file is a PNG image",
        ],
    ),
    Expected(
        "bundle.zip",
        headings=[
            "policies/handbook.pdf › Travel rates",
            "policies/notes.md › Notes › Refunds",
            "mail/rates.eml › rätes.csv",
            "rates.csv",
        ],
        text=[REFUNDS, "- City: Oslo; Hotel: 210; Meals: 80"],
        absent=["__MACOSX"],
    ),
]


@pytest.mark.parametrize("expected", FORMATS, ids=lambda each: each.file)
async def test_each_format_gives_its_text_tables_headings_and_pages(expected: Expected):
    parser = Parser(processes=1)
    path = SAMPLES / expected.file
    media_type = detect(expected.file, None, path.read_bytes()[:HEAD_BYTES])
    result = await parser.parse(path, media_type)
    await parser.close()
    headings = {chunk.heading for chunk in result.chunks}
    if expected.title:
        assert result.document.title == expected.title
    assert set(expected.headings) <= headings
    if expected.pages:
        assert sorted({chunk.page for chunk in result.chunks}, key=str) == expected.pages
    for text in expected.text:
        assert text in result.document.text
    for text in expected.absent:
        assert text not in result.document.text


TEXTS = {
    "German": ("windows-1252", "Die Gebühr beträgt fünf Euro; für Schüler ist sie ermäßigt. " * 4),
    "Polish": ("iso-8859-2", "Opłata wynosi pięć złotych, a dla uczniów jest niższa. " * 8),
    "Russian": ("windows-1251", "Возврат средств осуществляется в течение тридцати дней. " * 4),
    "Russian, KOI8": ("koi8-r", "Возврат средств осуществляется в течение тридцати дней. " * 4),
    "Greek": ("iso-8859-7", "επιστροφή χρημάτων γίνεται μέσα σε τριάντα ημέρες. " * 4),
    "Hebrew": ("windows-1255", "ההחזר ישולם בתוך שלושים יום ממועד ההחזרה של המוצר. " * 4),
    "Japanese": ("shift_jis", "返金は三十日以内に行われます。領収書を保管してください。" * 4),
    "Japanese, EUC": ("euc_jp", "返金は三十日以内に行われます。領収書を保管してください。" * 4),
    "Chinese": ("gb18030", "退款将在三十天内完成。请保留您的收据以备查验。" * 4),
    "Chinese, traditional": ("big5", "退款將在三十天內完成。請保留您的收據以備查驗。" * 4),
    "Korean": ("euc_kr", "환불은 삼십 일 이내에 이루어지며 영수증을 보관해야 합니다. " * 4),
    "UTF-16": ("utf-16", "Die Gebühr beträgt fünf Euro. " * 4),
    "UTF-16 BE": ("utf-16-be", "\ufeffDie Gebühr beträgt fünf Euro. " * 4),
    "UTF-32": ("utf-32", "Die Gebühr beträgt fünf Euro. " * 4),
    "UTF-8 with a mark": ("utf-8-sig", "Die Gebühr beträgt fünf Euro. " * 4),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_in_the_encodings_of_the_world_is_read_as_it_was_written(name: str):
    from carrel.ingestion.parse.read import read

    encoding, text = TEXTS[name]
    found = read(text.encode(encoding), "text/plain", Caps()).text
    assert re.sub(r"\s", "", found) == re.sub(r"[\s\ufeff]", "", text)
