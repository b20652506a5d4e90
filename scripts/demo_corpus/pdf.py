"""Blocks to PDF, on A4, with a running foot that numbers the pages."""

from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import CondPageBreak, Flowable, SimpleDocTemplate, Spacer
from reportlab.platypus import Paragraph as Text
from reportlab.platypus import Table as Grid

from demo_corpus.company import Company
from demo_corpus.markdown import Block, Heading, Items, Paragraph, Table

MARGIN = 22 * mm
WIDTH = A4[0] - 2 * MARGIN
FRAME_PADDING = 6  # points, which the library adds inside its margins
GREY = HexColor("#666666")


def write_pdf(blocks: list[Block], company: Company, path: Path) -> None:
    """Write *blocks* to *path*; the first is the title's heading, the second the line under it."""
    match blocks:
        case [Heading(text=title) as head, Paragraph(byline), *rest]:
            pass
        case _:
            raise ValueError(f"{path.name} must open with a heading and a paragraph")
    document = SimpleDocTemplate(
        str(path),
        pagesize=A4,
        leftMargin=MARGIN - FRAME_PADDING,
        rightMargin=MARGIN - FRAME_PADDING,
        topMargin=20 * mm,
        bottomMargin=22 * mm,
        title=title,
        author=company.name,
        invariant=1,
    )
    styles = _styles(company)
    story = _pieces(head, styles, company)
    story.append(Text(escape(byline), styles["byline"]))
    for block in rest:
        story.extend(_pieces(block, styles, company))

    def foot(canvas: Canvas, _: SimpleDocTemplate) -> None:
        canvas.setStrokeColor(HexColor(f"#{company.accent}"))
        canvas.line(MARGIN, 15 * mm, A4[0] - MARGIN, 15 * mm)
        canvas.setFont("Helvetica", 8)
        canvas.setFillColor(GREY)
        canvas.drawString(MARGIN, 10.5 * mm, f"{company.name} · {title}")
        canvas.drawRightString(A4[0] - MARGIN, 10.5 * mm, f"Page {canvas.getPageNumber()}")

    document.build(story, onFirstPage=foot, onLaterPages=foot)


def _styles(company: Company) -> dict[str, ParagraphStyle]:
    accent = HexColor(f"#{company.accent}")
    body = ParagraphStyle("body", fontName="Helvetica", fontSize=10, leading=13.5, spaceAfter=9)

    def heading(size: int, before: int, after: int) -> ParagraphStyle:
        return ParagraphStyle(
            f"heading-{size}",
            fontName="Helvetica-Bold",
            fontSize=size,
            leading=size * 1.25,
            spaceBefore=before,
            spaceAfter=after,
            textColor=accent,
            keepWithNext=1,
        )

    return {
        "body": body,
        "byline": ParagraphStyle("byline", parent=body, fontSize=9, spaceAfter=14, textColor=GREY),
        "lead-in": ParagraphStyle("lead-in", parent=body, keepWithNext=1),
        "cell": ParagraphStyle("cell", parent=body, fontSize=9, leading=11.5, spaceAfter=0),
        "head": ParagraphStyle(
            "head",
            parent=body,
            fontName="Helvetica-Bold",
            fontSize=9,
            leading=11.5,
            spaceAfter=0,
            textColor=white,
        ),
        "1": heading(22, 0, 6),
        "2": heading(14, 12, 5),
        "3": heading(11, 7, 6),
    }


def _pieces(block: Block, styles: dict[str, ParagraphStyle], company: Company) -> list[Flowable]:
    match block:
        case Heading(level, text):
            # A heading at the foot of a page, apart from its section, looks like a mistake.
            return [CondPageBreak(28 * mm), Text(escape(text), styles[str(level)])]
        case Paragraph(text):
            return [Text(escape(text), styles["lead-in" if text.endswith(":") else "body"])]
        case Items(texts, numbered):
            return [*_list(texts, numbered, styles["body"]), Spacer(0, 5)]
        case Table():
            return [_grid(block, styles, company), Spacer(0, 9)]
        case _:
            return []


def _list(texts: tuple[str, ...], numbered: bool, style: ParagraphStyle) -> list[Flowable]:
    item = ParagraphStyle("item", parent=style, leftIndent=16, spaceAfter=3)
    return [
        Text(escape(text), item, bulletText=f"{number}." if numbered else "•")
        for number, text in enumerate(texts, start=1)
    ]


def _grid(table: Table, styles: dict[str, ParagraphStyle], company: Company) -> Grid:
    columns = zip(table.header, *table.rows, strict=True)
    # Square roots keep a long column from starving the short ones.
    weights = [max(len(cell) for cell in column) ** 0.5 for column in columns]
    grid = Grid(
        [
            [Text(escape(cell), styles["head"]) for cell in table.header],
            *([Text(escape(cell), styles["cell"]) for cell in row] for row in table.rows),
        ],
        colWidths=[WIDTH * weight / sum(weights) for weight in weights],
        repeatRows=1,
    )
    grid.setStyle(
        [
            ("BACKGROUND", (0, 0), (-1, 0), HexColor(f"#{company.accent}")),
            ("ROWBACKGROUNDS", (0, 1), (-1, -1), [white, HexColor(f"#{company.tint}")]),
            ("GRID", (0, 0), (-1, -1), 0.4, HexColor("#CCCCCC")),
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ("TOPPADDING", (0, 0), (-1, -1), 4),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
        ]
    )
    return grid
