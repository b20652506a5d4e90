"""Blocks to PowerPoint: a title slide, then one slide for each second-level heading."""

from pathlib import Path

from pptx import Presentation
from pptx.dml.color import RGBColor
from pptx.enum.shapes import MSO_SHAPE
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.presentation import Presentation as Deck
from pptx.shapes.placeholder import SlidePlaceholder
from pptx.slide import Slide
from pptx.util import Cm, Pt

from demo_corpus.archive import settle
from demo_corpus.company import WRITTEN, Company
from demo_corpus.markdown import Block, Heading, Items, Paragraph, Quote, Table, sections

WIDTH, HEIGHT = Cm(33.867), Cm(19.05)
LEFT, TOP, INNER = Cm(2.2), Cm(4.4), Cm(29.4)
TITLE, TITLE_AND_CONTENT, TITLE_ONLY = 0, 1, 5  # layouts of the library's own template


def write_pptx(blocks: list[Block], company: Company, path: Path) -> None:
    """Write *blocks* to *path*; the first heading and paragraph make the title slide."""
    deck = Presentation()
    deck.slide_width, deck.slide_height = WIDTH, HEIGHT
    title = next(block.text for block in blocks if isinstance(block, Heading))
    subtitle = next(block.text for block in blocks if isinstance(block, Paragraph))
    _title_slide(deck, title, subtitle, company)
    for heading, content in sections(blocks):
        _slide(deck, heading.text, content, company)
    properties = deck.core_properties
    properties.title = title
    properties.author = properties.last_modified_by = company.name
    properties.created = properties.modified = WRITTEN
    deck.save(str(path))
    settle(path)


def _title_slide(deck: Deck, title: str, subtitle: str, company: Company) -> None:
    slide = deck.slides.add_slide(deck.slide_layouts[TITLE])
    fill = slide.background.fill
    fill.solid()
    fill.fore_color.rgb = RGBColor.from_string(company.accent)
    for shape, text, top, size in (
        (slide.shapes.title, title, Cm(6.2), 44),
        (slide.placeholders[1], subtitle, Cm(9.8), 20),
    ):
        shape.left, shape.top, shape.width, shape.height = LEFT, top, INNER, Cm(3)
        shape.text_frame.text = text
        _look(shape, size, "FFFFFF", bold=size > 40)


def _slide(deck: Deck, title: str, content: list[Block], company: Company) -> None:
    has_list = any(isinstance(block, Items) for block in content)
    layout = deck.slide_layouts[TITLE_AND_CONTENT if has_list else TITLE_ONLY]
    slide = deck.slides.add_slide(layout)
    heading = slide.shapes.title
    heading.left, heading.top, heading.width, heading.height = LEFT, Cm(1.4), INNER, Cm(2)
    heading.text_frame.text = title
    _look(heading, 32, company.accent, bold=True)
    bar = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, 0, 0, Cm(0.6), HEIGHT)
    bar.fill.solid()
    bar.fill.fore_color.rgb = RGBColor.from_string(company.accent)
    bar.line.fill.background()
    for block in content:
        match block:
            case Items(texts):
                _bullets(slide, texts)
            case Table():
                _table(slide, block, company)
            case Quote(text):
                slide.notes_slide.notes_text_frame.text = text
            case _:
                raise ValueError(f"a slide holds a list or a table, not {block}")


def _bullets(slide: Slide, texts: tuple[str, ...]) -> None:
    body = slide.placeholders[1]
    body.left, body.top, body.width, body.height = LEFT, TOP, INNER, Cm(12.5)
    frame = body.text_frame
    frame.text = texts[0]
    for text in texts[1:]:
        frame.add_paragraph().text = text
    for paragraph in frame.paragraphs:
        paragraph.space_after = Pt(14)
        paragraph.font.size = Pt(26)


def _table(slide: Slide, table: Table, company: Company) -> None:
    rows = [table.header, *table.rows]
    frame = slide.shapes.add_table(
        len(rows), len(table.header), LEFT, TOP, INNER, Cm(1.6) * len(rows)
    )
    for number, row in enumerate(rows):
        shade = company.accent if number == 0 else company.tint if number % 2 else "FFFFFF"
        for column, text in enumerate(row):
            cell = frame.table.cell(number, column)
            cell.text = text
            cell.vertical_anchor = MSO_ANCHOR.MIDDLE
            cell.fill.solid()
            cell.fill.fore_color.rgb = RGBColor.from_string(shade)
            font = cell.text_frame.paragraphs[0].font
            font.size, font.bold = Pt(20), number == 0
            font.color.rgb = RGBColor.from_string("FFFFFF" if number == 0 else "222222")


def _look(shape: SlidePlaceholder, size: int, colour: str, *, bold: bool) -> None:
    paragraph = shape.text_frame.paragraphs[0]
    paragraph.alignment = PP_ALIGN.LEFT
    paragraph.font.size, paragraph.font.bold = Pt(size), bold
    paragraph.font.color.rgb = RGBColor.from_string(colour)
