"""Blocks to Word, with real heading and list styles, so that structure survives parsing."""

from pathlib import Path

import docx
from docx.document import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Cm, Pt, RGBColor
from docx.table import _Cell

from demo_corpus.archive import settle
from demo_corpus.company import WRITTEN, Company
from demo_corpus.markdown import Block, Heading, Items, Paragraph, Table


def write_docx(blocks: list[Block], company: Company, path: Path) -> None:
    """Write *blocks* to *path*; the first heading is the title."""
    document = docx.Document()
    _style(document, company)
    for block in blocks:
        _add(document, block, company)
    properties = document.core_properties
    properties.title = next(block.text for block in blocks if isinstance(block, Heading))
    properties.author = properties.last_modified_by = company.name
    properties.created = properties.modified = WRITTEN
    properties.comments = ""
    document.save(str(path))
    settle(path)


def _style(document: Document, company: Company) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.4)
    section.top_margin = section.bottom_margin = Cm(2.2)
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = "Calibri", Pt(11)
    normal.paragraph_format.space_after = Pt(6)
    for level, size in ((1, 24), (2, 15), (3, 12)):
        style = document.styles[f"Heading {level}"]
        # The template's theme font would win over the name given here.
        style.element.rPr.rFonts.attrib.clear()
        style.font.name, style.font.size = "Calibri", Pt(size)
        style.font.color.rgb = RGBColor.from_string(company.accent)


def _add(document: Document, block: Block, company: Company) -> None:
    match block:
        case Heading(level, text):
            document.add_heading(text, level)
        case Paragraph(text):
            document.add_paragraph(text)
        case Items(texts, numbered):
            for text in texts:
                style = "List Number" if numbered else "List Bullet"
                document.add_paragraph(text, style).paragraph_format.space_after = Pt(2)
        case Table():
            _add_table(document, block, company)
        case _:
            pass


def _add_table(document: Document, table: Table, company: Company) -> None:
    grid = document.add_table(rows=1 + len(table.rows), cols=len(table.header), style="Table Grid")
    grid.alignment = WD_TABLE_ALIGNMENT.CENTER
    for cell, text in zip(grid.rows[0].cells, table.header, strict=True):
        _fill(cell, text, company.accent, header=True)
    for number, row in enumerate(table.rows):
        shade = company.tint if number % 2 else "FFFFFF"
        for cell, text in zip(grid.rows[number + 1].cells, row, strict=True):
            _fill(cell, text, shade, header=False)
    document.add_paragraph()


def _fill(cell: _Cell, text: str, shade: str, *, header: bool) -> None:
    cell._tc.get_or_add_tcPr().append(  # noqa: SLF001 – python-docx has no call for a cell's shade
        parse_xml(f'<w:shd {nsdecls("w")} w:val="clear" w:color="auto" w:fill="{shade}"/>')
    )
    run = cell.paragraphs[0].add_run(text)
    run.font.size = Pt(10)
    run.bold = header
    if header:
        run.font.color.rgb = RGBColor(0xFF, 0xFF, 0xFF)
    spacing = cell.paragraphs[0].paragraph_format
    spacing.space_before = spacing.space_after = Pt(3)
