"""Files that are made to hurt whoever reads them, each with what it should come to.

`reason` is what the failure says; where it is None, the file may also be read, as long as it stays
within its caps: less was made of it than its maker wished.
"""

import email.message
import email.policy
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from carrel.ingestion.parse.media_types import (
    CSV,
    DOCX,
    EML,
    HTML,
    JSON,
    MARKDOWN,
    PDF,
    PPTX,
    TEXT,
    XLSX,
    ZIP,
)


@dataclass(frozen=True)
class Hostile:
    name: str
    media_type: str
    make: Callable[[], bytes]
    reason: str | None = None


def archive(members: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as target:
        for name, data in members.items():
            target.writestr(name, data)
    return out.getvalue()


@cache
def _zeros(megabytes: int) -> bytes:
    return b"0" * (megabytes << 20)


def office(part: str, data: bytes) -> bytes:
    return archive({"[Content_Types].xml": b"<Types/>", part: data})


def zip_bomb() -> bytes:
    return archive({"a.txt": _zeros(200)})


def nested_zip(depth: int) -> bytes:
    data = archive({"a.txt": b"The fee is 7 euros."})
    for _ in range(depth):
        data = archive({"inner.zip": data})
    return data


def zip_of_zips() -> bytes:
    """Each harmless by itself: 30 archives with 9 MB each."""
    inner = archive({"a.txt": b"The fee is 7 euros. " * 450_000})
    return archive({f"{i}.zip": inner for i in range(30)})


def zip_with(name: str) -> bytes:
    """A name as it stands, which `zipfile` would mend on writing."""
    placeholder = "x" * len(name.encode())
    return archive({placeholder: b"The fee is 7 euros."}).replace(
        placeholder.encode(), name.encode()
    )


def zip_that_lies() -> bytes:
    """Declares one byte where there are 200 MB."""
    data = bytearray(zip_bomb())
    directory = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, directory + 24, 1)
    return bytes(data)


def zip_overlapping() -> bytes:
    """A thousand entries that share one body, after Fifield's construction in its plainest form."""
    data = archive({"0.txt": _zeros(5)})
    directory = data.rindex(b"PK\x01\x02")
    end = data.rindex(b"PK\x05\x06")
    entry = data[directory:end]
    fields = bytearray(data[end:])
    struct.pack_into("<HHI", fields, 8, 1000, 1000, len(entry) * 1000)
    return data[:directory] + entry * 1000 + bytes(fields)


def zip_of_many() -> bytes:
    return archive({f"{i}.txt": b"x" for i in range(1001)}, method=zipfile.ZIP_STORED)


def laughs(root: str) -> bytes:
    entities = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "ha">' for n in range(10)
    )
    return f'<?xml version="1.0"?><!DOCTYPE x [{entities}]><{root}>&l9;</{root}>'.encode()


def external_entity() -> bytes:
    return (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        b"<w:body><w:p><w:r><w:t>&e;</w:t></w:r></w:p></w:body></w:document>"
    )


def deep_xml(part: str) -> bytes:
    return office(part, b"<a>" * 200_000 + b"</a>" * 200_000)


def rows(count: int) -> bytes:
    row = b'<row><c t="inlineStr"><is><t>A value of some length here</t></is></c></row>'
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        b"<sheetData>" + row * count + b"</sheetData></worksheet>"
    )
    book = (
        b'<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        b'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        b'<sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )
    relations = (
        b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        b'<Relationship Id="rId1" Target="worksheets/sheet1.xml" Type="http://schemas.openxml'
        b'formats.org/officeDocument/2006/relationships/worksheet"/></Relationships>'
    )
    return archive(
        {
            "[Content_Types].xml": b"<Types/>",
            "xl/workbook.xml": book,
            "xl/_rels/workbook.xml.rels": relations,
            "xl/worksheets/sheet1.xml": sheet,
        }
    )


def pdf(pages: bytes, more: bytes = b"") -> bytes:
    return (
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj"
        + pages
        + b"endobj\n"
        + more
        + b"trailer<</Root 1 0 R/Size 9>>\n%%EOF"
    )


def pdf_stream_bomb() -> bytes:
    body = zlib.compress(zlib.compress(_zeros(200), 9), 9)
    stream = b"4 0 obj<</Length %d/Filter[/FlateDecode/FlateDecode]>>stream\n%s\nendstream endobj\n"
    page = b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>endobj\n"
    return pdf(b"<</Type/Pages/Kids[3 0 R]/Count 1>>", page + stream % (len(body), body))


def deep_mail() -> bytes:
    head = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
        for i in range(3000)
    )
    return b"Subject: deep\r\n" + head + b"Content-Type: text/plain\r\n\r\nhello\r\n"


def mail_with(count: int, data: bytes, name: str) -> bytes:
    message = email.message.EmailMessage(email.policy.SMTP)
    message["Subject"] = "Hello"
    message.set_content("See the attachments.")
    for i in range(count):
        message.add_attachment(data, maintype="application", subtype="zip", filename=f"{i}{name}")
    return message.as_bytes()


HOSTILE = [
    Hostile("ZIP bomb", ZIP, zip_bomb, "too large once unpacked"),
    Hostile("ZIP whose sizes lie", ZIP, zip_that_lies, "damaged|too large"),
    Hostile("ZIP of overlapping members", ZIP, zip_overlapping, "damaged|too large"),
    Hostile("ZIP of too many files", ZIP, zip_of_many, "more than 1,000 files"),
    Hostile("ZIP in ZIP in ZIP …", ZIP, lambda: nested_zip(8), "more than 3 files deep"),
    Hostile("ZIP of ZIPs", ZIP, zip_of_zips, "more than .* characters|more than .* chunks"),
    *(
        Hostile(f"ZIP with the name {name}", ZIP, lambda name=name: zip_with(name), "leads out")
        for name in ("../../etc/passwd.txt", "/etc/cron.d/a.txt", "C:\\a.txt", "..\\..\\a.txt")
    ),
    Hostile("ZIP cut short", ZIP, lambda: zip_bomb()[:5000], "damaged"),
    Hostile("ZIP of nothing to read", ZIP, lambda: archive({"a.png": b"\x89PNG\r\n\x1a\n"}), "PNG"),
    Hostile("DOCX bomb", DOCX, lambda: office("word/document.xml", _zeros(600)), "too large"),
    Hostile("PPTX bomb", PPTX, lambda: office("ppt/presentation.xml", _zeros(600)), "too large"),
    Hostile("XLSX bomb", XLSX, lambda: office("xl/workbook.xml", _zeros(600)), "too large"),
    Hostile("DOCX with entities", DOCX, lambda: office("word/document.xml", laughs("w"))),
    Hostile("DOCX with a file", DOCX, lambda: office("word/document.xml", external_entity())),
    Hostile("DOCX nested deeply", DOCX, lambda: deep_xml("word/document.xml")),
    Hostile("PPTX nested deeply", PPTX, lambda: deep_xml("ppt/presentation.xml")),
    Hostile("XLSX nested deeply", XLSX, lambda: deep_xml("xl/worksheets/sheet1.xml")),
    Hostile("XLSX of a million rows", XLSX, lambda: rows(1_000_000)),
    Hostile("a picture as XLSX", XLSX, lambda: b"\x89PNG\r\n\x1a\n", "damaged"),
    Hostile("a text as PDF", PDF, lambda: b"Hello.", "not a PDF"),
    Hostile("PDF whose pages loop", PDF, lambda: pdf(b"<</Type/Pages/Kids[2 0 R]/Count 1>>")),
    Hostile("PDF that counts wrongly", PDF, lambda: pdf(b"<</Type/Pages/Kids[]/Count 99999999>>")),
    Hostile("PDF stream bomb", PDF, pdf_stream_bomb),
    Hostile("PDF of brackets", PDF, lambda: pdf(b"<</Kids" + b"[" * 100_000 + b">>")),
    Hostile("HTML nested deeply", HTML, lambda: b"<div>" * 500_000 + b"x"),
    Hostile("HTML of attributes", HTML, lambda: b"<p " + b"a=b " * 500_000 + b">text</p>"),
    Hostile("HTML with entities", HTML, lambda: laughs("p")),
    Hostile("HTML that never ends", HTML, lambda: b"<!--" * 500_000 + b"text"),
    Hostile("Markdown of quotes", MARKDOWN, lambda: b">" * 1_000_000 + b" text"),
    Hostile("Markdown of brackets", MARKDOWN, lambda: b"[" * 200_000 + b"text"),
    Hostile("Markdown of list levels", MARKDOWN, lambda: b"- " * 200_000 + b"text"),
    Hostile("Markdown table without end", MARKDOWN, lambda: b"|" * 1_000_000 + b"\n|-|\n|a|"),
    Hostile("JSON nested deeply", JSON, lambda: b"[" * 500_000, "too deeply|damaged"),
    Hostile("JSON of a long number", JSON, lambda: b"[" + b"9" * 100_000 + b"]", "damaged"),
    Hostile("JSON cut short", JSON, lambda: json.dumps({"a": ["b"] * 99}).encode()[:50], "damaged"),
    Hostile("CSV of one quote", CSV, lambda: b'"' + b"a," * 2_000_000),
    Hostile("CSV of a million columns", CSV, lambda: b"a," * 1_000_000 + b"\n" + b"1," * 1_000_000),
    Hostile("EML nested deeply", EML, deep_mail),
    Hostile("EML with bombs", EML, lambda: mail_with(3, zip_bomb(), ".zip")),
    Hostile("EML with too many", EML, lambda: mail_with(1001, b"x", ".txt"), "more than 1,000"),
    Hostile("text of zero bytes", TEXT, lambda: b"\0" * 1_000_000, "not text"),
    Hostile("text of nothing but marks", TEXT, lambda: b"\xef\xbb\xbf" * 100_000, "no text"),
    Hostile("text without a break", TEXT, lambda: b"a" * 20_000_000),
    Hostile("text of combining marks", TEXT, lambda: b"a" + b"\xcc\x81" * 200_000),
    Hostile("text of surrogates", TEXT, lambda: b"\xed\xa0\x80text" * 50_000),
]
