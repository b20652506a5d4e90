"""Write the binary files of tests/samples, the same bytes each time.

Run it from the root of the repository, with the `samples` dependency group:
`uv run python scripts/make_test_samples.py`. The text samples beside them are written by hand.
"""

import email.policy
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path

import docx
import openpyxl
import pikepdf
import pptx
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    FrameBreak,
    PageBreak,
    PageTemplate,
    Paragraph,
    SimpleDocTemplate,
    Table,
)

SAMPLES = Path(__file__).parent.parent / "tests" / "samples"
MADE = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)

REFUNDS = (
    "Refunds are paid within 30 days of the return. The customer keeps the receipt, and the shop "
    "keeps a copy for seven years. A refund of more than 500 euros needs a second signature."
)
HOLIDAYS = (
    "Every employee has 28 days of paid leave a year. Up to five unused days move to the next "
    "year and lapse at the end of March."
)
RATES = [["City", "Hotel", "Meals"], ["Lisbon", "140", "45"], ["Oslo", "210", "80"]]


def pdf() -> bytes:
    out = BytesIO()
    styles = getSampleStyleSheet()
    story = [
        Paragraph("Staff handbook", styles["Title"]),
        Paragraph("Refunds", styles["Heading1"]),
        Paragraph(REFUNDS, styles["BodyText"]),
        PageBreak(),
        Paragraph("Holidays", styles["Heading1"]),
        Paragraph(HOLIDAYS, styles["BodyText"]),
        PageBreak(),
        Paragraph("Travel rates", styles["Heading1"]),
        Table(RATES, style=[("GRID", (0, 0), (-1, -1), 0.5, "black")]),
    ]
    SimpleDocTemplate(out, title="Staff handbook", invariant=1).build(story)
    return out.getvalue()


def pdf_encrypted() -> bytes:
    out = BytesIO()
    with pikepdf.open(BytesIO(pdf())) as document:
        # RC4 and a fixed id: any other choice draws random numbers.
        locked = pikepdf.Encryption(owner="owner", user="user", R=3, aes=False, metadata=False)
        document.save(out, encryption=locked, static_id=True)
    return out.getvalue()


def pdf_truncated() -> bytes:
    whole = pdf()
    return whole[: len(whole) // 3]


def pdf_without_text() -> bytes:
    """A page that is a drawing, as a scan is."""
    out = BytesIO()
    canvas = Canvas(out, invariant=1)
    canvas.rect(100, 100, 300, 300, fill=1)
    canvas.save()
    return out.getvalue()


def word() -> bytes:
    document = docx.Document()
    document.core_properties.title = "Travel policy"
    document.core_properties.created = document.core_properties.modified = MADE
    document.add_heading("Travel policy", level=1)
    document.add_heading("Refunds", level=2)
    document.add_paragraph(REFUNDS)
    document.add_heading("Rates", level=2)
    table = document.add_table(rows=0, cols=3)
    for row in RATES:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    return _saved(document.save)


def slides() -> bytes:
    deck = pptx.Presentation()
    deck.core_properties.title = "Quarterly review"
    deck.core_properties.created = deck.core_properties.modified = MADE
    for title, body in (("Refunds", REFUNDS), ("Holidays", HOLIDAYS)):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
    slide.notes_slide.notes_text_frame.text = "Say that March is near."
    return _saved(deck.save)


def workbook() -> bytes:
    """Two sheets; the total is a formula with the value that a spreadsheet program stored."""
    book = openpyxl.Workbook()
    book.properties.title = "Travel rates"
    book.properties.created = book.properties.modified = MADE
    sheet = book.active
    sheet.title = "Rates"
    for row in RATES[:1]:
        sheet.append([*row, "Total"])
    for number, (city, hotel, meals) in enumerate(RATES[1:], start=2):
        sheet.append([city, int(hotel), int(meals), f"=B{number}+C{number}"])
    notes = book.create_sheet("Notes")
    notes.append(["Topic", "Note"])
    notes.append(["Oslo", "Book early"])
    totals = {f"B{n}+C{n}": int(row[1]) + int(row[2]) for n, row in enumerate(RATES[1:], start=2)}

    def with_stored_values(name: str, data: bytes) -> bytes:
        if not name.startswith("xl/worksheets/"):
            return data
        for formula, total in totals.items():
            data = re.sub(
                rb"<f>%s</f><v\s*/?>(</v>)?" % re.escape(formula.encode()),
                b"<f>%s</f><v>%d</v>" % (formula.encode(), total),
                data,
            )
        return data

    return _saved(book.save, with_stored_values)


def picture() -> bytes:
    """A white square of 8 by 8 pixels."""

    def part(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\xff" * 8) * 8)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", pixels) + part(b"IEND", b"")


def pdf_in_columns() -> bytes:
    """Two columns: read across, each line would be nonsense."""
    out = BytesIO()
    style = getSampleStyleSheet()["BodyText"]
    page = BaseDocTemplate(out, title="Two columns", invariant=1)
    frames = [Frame(60 + 250 * i, 100, 220, 600) for i in range(2)]
    page.addPageTemplates(PageTemplate(frames=frames))
    left = [Paragraph(f"Left {n}. {REFUNDS}", style) for n in range(3)]
    right = [Paragraph(f"Right {n}. {HOLIDAYS}", style) for n in range(3)]
    page.build([*left, FrameBreak(), *right])
    return out.getvalue()


def mail() -> bytes:
    """A message in HTML and text, with a PDF, a table and a message attached."""
    message = _message("Rates for 2026", "The rates are attached.")
    message.add_alternative("<p>The rates are <b>attached</b>.</p>", subtype="html")
    table = "\n".join(",".join(row) for row in RATES).encode()
    message.add_attachment(pdf(), maintype="application", subtype="pdf", filename="handbook.pdf")
    message.add_attachment(table, maintype="text", subtype="csv", filename="r\u00e4tes.csv")
    message.add_attachment(picture(), maintype="image", subtype="png", filename="logo.png")
    message.add_attachment(_message("Forwarded", "Oslo is booked out in June."))
    for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
        if part.get_content_maintype() == "multipart":
            part.set_boundary(f"part-{number}")
    return message.as_bytes()


def _message(subject: str, text: str) -> EmailMessage:
    message = EmailMessage(email.policy.SMTP)
    message["From"] = "Ada <ada@example.com>"
    message["To"] = "staff@example.com"
    message["Subject"] = subject
    message["Date"] = MADE
    message.set_content(text)
    return message


def bundle() -> bytes:
    """What people zip: folders, several formats, what an archiver adds, and a picture."""
    files = {
        "policies/handbook.pdf": pdf(),
        "policies/notes.md": f"# Notes\n\n## Refunds\n\n{REFUNDS}\n".encode(),
        "rates.csv": "\n".join(",".join(row) for row in RATES).encode(),
        "logo.png": picture(),
        "mail/rates.eml": mail(),
        "__MACOSX/._rates.csv": b"\0\0",
    }
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in files.items():
            member = zipfile.ZipInfo(name, date_time=MADE.timetuple()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(member, data)
    return out.getvalue()


def _saved(
    save: Callable[[BytesIO], object], change: Callable[[str, bytes], bytes] | None = None
) -> bytes:
    """The container that *save* writes, packed again with a fixed date on every member."""
    raw, out = BytesIO(), BytesIO()
    save(raw)
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":
                data = re.sub(
                    rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2026-01-02T03:04:06Z", data
                )
            member = zipfile.ZipInfo(name, date_time=MADE.timetuple()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(member, change(name, data) if change else data)
    return out.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "handbook.pdf": pdf,
    "encrypted.pdf": pdf_encrypted,
    "truncated.pdf": pdf_truncated,
    "drawing.pdf": pdf_without_text,
    "policy.docx": word,
    "review.pptx": slides,
    "rates.xlsx": workbook,
    "picture.png": picture,
    "columns.pdf": pdf_in_columns,
    "rates.eml": mail,
    "bundle.zip": bundle,
}

if __name__ == "__main__":
    for name, make in FILES.items():
        (SAMPLES / name).write_bytes(make())
        print(SAMPLES / name)
