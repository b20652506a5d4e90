from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrel.ingestion.sections import first_heading, outline


def paths(text: str) -> list[tuple[str, ...]]:
    return [section.path for section in outline(text)[0]]


@given(st.lists(st.sampled_from(["# A", "## B", "", "text", "```", "---", "| a |"])).map("\n".join))
def test_sections_cover_the_text_without_gaps(text):
    sections, _ = outline(text)
    assert sections[0].start == 0
    assert sections[-1].end == len(text)
    for before, after in pairwise(sections):
        assert before.end == after.start
    assert all(s.start <= s.body <= s.end for s in sections)


@pytest.mark.parametrize(
    "text",
    [
        "```\n# no\n```\nx",
        "~~~~\n# no\n~~~\n# no\n~~~~\nx",
        "``` python\n# no\n",
        "    # no\nx",
        "#no\nx",
        "####### no\nx",
        "\\# no\nx",
        "- no\n---\nx",
    ],
    ids=["fence", "longer fence", "open fence", "code", "no space", "seven", "escaped", "in list"],
)
def test_what_only_looks_like_a_heading_is_none(text):
    assert all("no" not in path for path in paths(text))


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("# Refunds", "Refunds"),
        ("   ## Refunds ##", "Refunds"),
        ("# C#", "C#"),
        ("# **Bold** and [linked](http://a.example/b_c)", "Bold and linked"),
        ("# snake_case *stays*", "snake_case stays"),
        (r"# 5 \* 4", "5 * 4"),
        ("Refunds\n=======", "Refunds"),
        ("Refunds\n-------", "Refunds"),
    ],
)
def test_a_heading_reads_as_people_read_it(line, title):
    assert paths(f"{line}\n\ntext\n") == [(title,)]


def test_a_rule_under_a_paragraph_of_two_lines_makes_no_heading():
    assert paths("one\ntwo\n---\nthree\n") == [()]


def test_a_deeper_heading_ends_where_a_higher_one_begins():
    assert paths("### C\n\nx\n\n# A\n\ny\n\n## B\n\nz\n") == [("C",), ("A",), ("A", "B")]


def test_a_section_that_holds_only_a_rule_is_joined_to_the_next():
    sections, _ = outline("# A\n\n---\n\n# B\n\ntext\n")
    assert [(s.start, s.path) for s in sections] == [(0, ("B",))]


def test_a_table_header_is_known_in_its_rows_and_nowhere_else():
    text = "before\n\n| City | Hotel |\n|:---|---:|\n| Oslo | 210 |\n\nafter\n"
    _, tables = outline(text)
    assert tables.at(text.index("Oslo")) == "City | Hotel"
    assert tables.at(text.index("City")) == tables.at(text.index("after")) == tables.at(0) == ""


def test_each_of_two_tables_has_its_own_header():
    text = "| a | b |\n|---|---|\n| 1 | 2 |\n\n| c | d |\n|---|---|\n| 3 | 4 |"
    _, tables = outline(text)
    assert (tables.at(text.index("1")), tables.at(text.index("3"))) == ("a | b", "c | d")


def test_the_first_heading_is_found_past_code():
    assert first_heading("```\n# code\n```\n\n## Real *one*\n") == "Real one"
    assert first_heading("no heading") is None
