"""What is ingested: Markdown of many sizes, and PDF documents, made the same each time."""

from dataclasses import dataclass
from io import BytesIO

from bench.micro import text


@dataclass(frozen=True, slots=True)
class Corpus:
    """Files by name, and how many pages they have together."""

    name: str
    files: list[tuple[str, bytes]]
    pages: int = 0

    @property
    def size(self) -> int:
        return sum(len(data) for _, data in self.files)


def notes(count: int) -> Corpus:
    """Documents of one chunk."""
    return Corpus("notes", [(f"note-{n}.md", text.note(n).encode()) for n in range(count)])


def reports(count: int) -> Corpus:
    """Documents of some 20 chunks."""
    return Corpus("reports", [(f"report-{n}.md", text.document(n).encode()) for n in range(count)])


def pdfs(count: int, pages: int = 20) -> Corpus:
    """PDF documents of *pages* pages of plain text."""
    return Corpus("PDF", [(f"{n}.pdf", _pdf(n, pages)) for n in range(count)], count * pages)


def _pdf(number: int, pages: int) -> bytes:
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

    styles = getSampleStyleSheet()
    story: list[object] = []
    for page in range(pages):
        words = text.note(number * 1000 + page).replace("#", "").replace("&", "and")
        story += [
            Paragraph(f"Section {page}", styles["Heading1"]),
            *(Paragraph(words.replace("<", ""), styles["BodyText"]) for _ in range(3)),
            PageBreak(),
        ]
    out = BytesIO()
    SimpleDocTemplate(out, invariant=1).build(story)
    return out.getvalue()
