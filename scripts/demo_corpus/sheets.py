"""Blocks to Excel: one sheet for each second-level heading, notes below each table."""

from pathlib import Path

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from demo_corpus.archive import settle
from demo_corpus.company import WRITTEN, Company
from demo_corpus.markdown import Block, Heading, Paragraph, Table, sections

WIDEST_COLUMN = 46  # characters; longer cells wrap


def write_xlsx(blocks: list[Block], company: Company, path: Path) -> None:
    """Write *blocks* to *path*; the first heading is the title."""
    book = Workbook()
    book.remove(book.active)
    for heading, content in sections(blocks):
        _fill(book.create_sheet(heading.text), content, company)
    book.properties.title = next(block.text for block in blocks if isinstance(block, Heading))
    book.properties.creator = company.name
    book.properties.created = WRITTEN
    book.save(path)
    settle(path)


def _fill(sheet: Worksheet, content: list[Block], company: Company) -> None:
    for block in content:
        match block:
            case Paragraph(text):
                sheet.append([text])
                sheet.cell(sheet.max_row, 1).font = Font(
                    name="Calibri", italic=True, color="666666"
                )
            case Table():
                _table(sheet, block, company)
            case _:
                raise ValueError(f"a sheet holds notes and tables only, not {block}")
    sheet.sheet_view.showGridLines = False
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True


def _table(sheet: Worksheet, table: Table, company: Company) -> None:
    sheet.append(table.header)
    for cell in sheet[sheet.max_row]:
        cell.font = Font(name="Calibri", bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", fgColor=company.accent)
        cell.alignment = Alignment(vertical="center", wrap_text=True)
    sheet.freeze_panes = f"A{sheet.max_row + 1}"
    line = Border(bottom=Side(style="thin", color="CCCCCC"))
    for number, row in enumerate(table.rows):
        sheet.append([_value(text) for text in row])
        for cell in sheet[sheet.max_row]:
            cell.border = line
            cell.number_format = "#,##0"
            cell.alignment = Alignment(vertical="top", horizontal="left", wrap_text=True)
            if number % 2:
                cell.fill = PatternFill("solid", fgColor=company.tint)
    for index, column in enumerate(zip(table.header, *table.rows, strict=True), start=1):
        width = min(max(len(text) for text in column) + 3, WIDEST_COLUMN)
        sheet.column_dimensions[get_column_letter(index)].width = width


def _value(text: str) -> str | int:
    """Counts become numbers; prices keep their unit and stay text."""
    digits = text.replace(",", "")
    return int(digits) if digits.isdigit() else text
