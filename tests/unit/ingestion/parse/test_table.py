import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from carrel.ingestion.parse.table import csv_text, rows_as_lines


def test_each_row_names_its_columns():
    assert csv_text("City,Hotel\nOslo,210\nLisbon,140\n") == (
        "- City: Oslo; Hotel: 210\n- City: Lisbon; Hotel: 140"
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    text = f"City{delimiter}Hotel\nOslo{delimiter}210\n"
    assert csv_text(text) == "- City: Oslo; Hotel: 210"


def test_a_quoted_cell_may_hold_delimiters_and_lines():
    text = '"City; a,b";Note\nOslo;"one, two\nthree; ""four"""\n'
    assert csv_text(text) == '- City; a,b: Oslo; Note: one, two three; "four"'


def test_blank_cells_rows_and_surplus_cells_lose_no_value():
    assert csv_text("City,Hotel\n\nOslo,\n,210\nBergen,95,extra\n") == (
        "- City: Oslo\n- Hotel: 210\n- City: Bergen; Hotel: 95; extra"
    )


def test_a_first_row_of_numbers_names_nothing():
    assert csv_text("1,2.5\n3,4\n") == "- 1; 2.5\n- 3; 4"


def test_years_beside_a_word_are_column_names():
    assert csv_text("Country,2025,2026\nNorway,1,2\n") == "- Country: Norway; 2025: 1; 2026: 2"


def test_one_column_has_no_header():
    assert csv_text("Oslo\nBergen\n") == "- Oslo\n- Bergen"


def test_a_title_above_the_header_stands_alone():
    rows = [["Rates 2026", ""], ["City", "Hotel"], ["Oslo", "210"]]
    assert list(rows_as_lines(rows)) == ["- Rates 2026", "- City: Oslo; Hotel: 210"]


def test_a_header_without_rows_is_kept():
    assert csv_text("City,Hotel\n") == "- City; Hotel"


def test_no_line_is_a_heading():
    assert all(line.startswith("- ") for line in csv_text("# of items,b\n3,4\n# x,y\n").split("\n"))


def test_a_cell_of_a_megabyte_is_read():
    assert len(csv_text("a,b\n" + "x" * 1_000_000 + ",y\n")) > 1_000_000


@example("0|<\n0")
@given(st.text(st.characters(exclude_characters='\r"'), max_size=300))
def test_of_any_text_nothing_is_lost_but_names_of_columns_without_a_value(text):
    lost = set("".join(text.split())) - set(csv_text(text)) - set(",;|\t")
    assert not lost or any(lost <= set(line) for line in text.split("\n"))
