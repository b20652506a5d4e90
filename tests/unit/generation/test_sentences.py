from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrel.generation.sentences import readable, split


def shown(text: str, *, kind: str | None = None) -> list[str]:
    return [readable(text, s) for s in split(text) if kind in {None, s.kind}]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It rains. We stay in.", ["It rains.", "We stay in."]),
        ("Does it rain? Yes! We stay in.", ["Does it rain?", "Yes!", "We stay in."]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("Dr. Smith met J. R. Ray, e.g. at Acme.", ["Dr. Smith met J. R. Ray, e.g. at Acme."]),
        ("He said no. See No. 5.", ["He said no.", "See No. 5."]),
        ("It costs 3.50 a day. See p. 4.", ["It costs 3.50 a day.", "See p. 4."]),
        ("We sell to Acme Inc. They pay.", ["We sell to Acme Inc.", "They pay."]),
        ("Am 3. Oktober ist z.B. Acme zu. Danach nicht.",
         ["Am 3. Oktober ist z.B. Acme zu.", "Danach nicht."]),
        ("Es war 1998. Dann kam er.", ["Es war 1998.", "Dann kam er."]),
        ("返品は30日以内です。送料は無料です。", ["返品は30日以内です。", "送料は無料です。"]),
        ("version 2.1 of example.com works. ok", ["version 2.1 of example.com works. ok"]),
    ],
)  # fmt: skip
def test_prose_ends_where_a_reader_would_stop(text: str, sentences: list[str]) -> None:
    assert shown(text) == sentences


def test_a_paragraph_wrapped_at_a_margin_is_read_as_one() -> None:
    text = (
        "When Acme misses the promise, the customer receives a credit on the next\n"
        "invoice: it is a share of the monthly fee. Credits must be claimed within\n"
        "eight weeks.\n"
        "Planned maintenance does not count."
    )
    assert shown(text) == [
        "When Acme misses the promise, the customer receives a credit on the next invoice: "
        "it is a share of the monthly fee.",
        "Credits must be claimed within eight weeks.",
        "Planned maintenance does not count.",
    ]


def test_short_lines_stand_by_themselves() -> None:
    text = "From: Priya Raman\nTo: all\nHello,\nthe outage began on 8 September at two o'clock."
    assert shown(text)[:2] == ["From: Priya Raman", "To: all"]


def test_lines_too_short_to_have_been_wrapped_are_not_joined() -> None:
    assert shown("Open on weekdays\nClosed on Sunday") == ["Open on weekdays", "Closed on Sunday"]


def test_list_items_stay_whole_and_lose_their_bullet() -> None:
    text = "Rules:\n\n- Be kind. Always.\n- Meals: up to $65\n  a day.\n1. First\n2\\. Second"
    assert shown(text, kind="item") == [
        "Be kind. Always.",
        "Meals: up to $65 a day.",
        "First",
        "Second",
    ]


def test_a_table_row_names_its_columns() -> None:
    text = "| **Plan** | Price |\n| --- | --- |\n| Pro | $89 |\n| [Basic](https://x) | |\n"
    assert shown(text) == ["Plan: Pro; Price: $89", "Plan: Basic"]


def test_a_row_whose_header_was_cut_off_takes_the_given_one() -> None:
    text = "| Pro | $89 |\n\nAll prices are net."
    row, prose = split(text, header=("Plan", "Price"))
    assert readable(text, row) == "Plan: Pro; Price: $89"
    assert prose.header == ()


def test_a_table_does_not_take_its_header_from_the_table_before() -> None:
    text = "| Plan | Price |\n|---|---|\n| Pro | $89 |\n\nOpening hours follow.\n\n| Mon | 9 |"
    assert shown(text, kind="row") == ["Plan: Pro; Price: $89", "Mon; 9"]


def test_a_row_without_a_header_lists_its_cells() -> None:
    assert shown("| Pro | $89 |") == ["Pro; $89"]
    assert shown("| Pro | a \\| b |") == ["Pro; a | b"]


def test_columns_made_of_spaces_are_a_table_too() -> None:
    text = "Uptime            Credit\n----------------  ------\nbelow 99.9%       10%\n"
    assert shown(text) == ["Uptime: below 99.9%; Credit: 10%"]


def test_headings_of_every_kind_are_told_apart() -> None:
    text = "# One\n\nTwo\n---\n\nSERVICE CREDITS\n\nText follows here."
    assert shown(text, kind="heading") == ["One", "Two", "SERVICE CREDITS"]


def test_a_fenced_block_is_one_piece_of_code() -> None:
    text = "Call it:\n```http\nGET /v1\nHost: x\n```\nDone."
    assert shown(text, kind="code") == ["GET /v1 Host: x"]
    assert shown(text, kind="prose") == ["Call it:", "Done."]


def test_marks_of_emphasis_and_links_are_not_shown() -> None:
    assert shown("See **Settings → Keys** or [the portal](https://x.example).") == [
        "See Settings → Keys or the portal."
    ]


@given(st.text("aB1.?! \n|-#*`。:)", max_size=80))
def test_sentences_are_in_order_and_hold_every_word(text: str) -> None:
    sentences = split(text)
    spans = [(s.start, s.end) for s in sentences]
    assert all(text[start:end].strip() for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
