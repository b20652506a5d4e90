"""The formats that Carrel reads, by media type."""

from dataclasses import dataclass

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HTML = "text/html"
EML = "message/rfc822"
MARKDOWN = "text/markdown"
TEXT = "text/plain"
CSV = "text/csv"
JSON = "application/json"
ZIP = "application/zip"


@dataclass(frozen=True, slots=True)
class Format:
    """What people call a format, its file extensions, and other media types it goes by."""

    name: str
    extensions: tuple[str, ...]
    aliases: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    PDF: Format("PDF document", (".pdf",), ("application/x-pdf",)),
    DOCX: Format("Word document", (".docx",)),
    PPTX: Format("PowerPoint presentation", (".pptx",)),
    XLSX: Format("Excel workbook", (".xlsx",)),
    HTML: Format("HTML page", (".html", ".htm", ".xhtml"), ("application/xhtml+xml",)),
    EML: Format("e-mail message", (".eml",)),
    MARKDOWN: Format("Markdown text", (".md", ".markdown"), ("text/x-markdown",)),
    TEXT: Format("plain text", (".txt", ".text", ".log")),
    CSV: Format("table", (".csv", ".tsv"), ("text/tab-separated-values",)),
    JSON: Format("JSON", (".json", ".jsonl", ".ndjson"), ("application/x-ndjson", "text/json")),
    ZIP: Format("ZIP archive of these", (".zip",), ("application/x-zip-compressed",)),
}
BY_EXTENSION = {ending: name for name, format_ in FORMATS.items() for ending in format_.extensions}
BY_ALIAS = {alias: name for name, format_ in FORMATS.items() for alias in (name, *format_.aliases)}

# A part that every container of the kind has, and no other kind.
CONTAINER_PARTS = {DOCX: "word/", PPTX: "ppt/", XLSX: "xl/"}


def container_kind(members: list[str]) -> str | None:
    """The media type of an Office file in a ZIP archive, by the names of its members."""
    kinds = [
        kind for kind, part in CONTAINER_PARTS.items() if any(m.startswith(part) for m in members)
    ]
    return kinds[0] if len(kinds) == 1 else None
