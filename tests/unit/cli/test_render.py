import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from carrel.cli.render import AnswerWriter, milliseconds, money, one_line, printable

TEXT = (
    "Refunds take thirty days [1], and\nexchanges take sixty [2] unless a wide 日本語 word comes."
)


def written(pieces: list[str], width: int = 20) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system=None, width=width)
    writer = AnswerWriter(console)
    for piece in pieces:
        writer.write(piece)
    writer.finish()
    return file.getvalue()


def test_words_are_wrapped_whole_at_the_terminals_width():
    assert written([TEXT]).splitlines() == [
        "Refunds take thirty",
        "days [1], and",
        "exchanges take sixty",
        "[2] unless a wide",
        "日本語 word comes.",
    ]


@given(st.sets(st.integers(1, len(TEXT) - 1)))
def test_where_the_stream_cuts_changes_nothing(cuts):
    edges = [0, *sorted(cuts), len(TEXT)]
    pieces = [TEXT[start:end] for start, end in pairwise(edges)]
    assert written(pieces) == written([TEXT])


def test_nothing_written_leaves_no_line():
    assert written([]) == ""


def test_control_characters_never_reach_the_terminal():
    assert printable("a\x1b]0;title\x07b\u202ec\r\nd\te") == "a]0;titlebc\nd\te"
    assert one_line(" a\n\tb\x00 ") == "a b"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.04, "0.0 ms"), (9.94, "9.9 ms"), (312.4, "312 ms"), (3140, "3.1 s"), (61_000, "61 s")],
)
def test_times(value, shown):
    assert milliseconds(value) == shown


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        ("0", "$0"),
        ("0.000000", "$0"),
        ("0.000230", "$0.00023"),
        ("100", "$100"),
        (None, "cost unknown"),
    ],
)
def test_money(usd, shown):
    assert money(usd) == shown
