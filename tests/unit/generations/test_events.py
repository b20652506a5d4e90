"""Offsets as text: what a stream's event ids are made of."""

import pytest

from carrel.generations.events import START, Offset, parse_offset


def test_an_offset_is_read_as_it_was_written():
    for offset in (START, Offset(1, 17), Offset(2**40, 3)):
        assert parse_offset(str(offset)) == offset
    assert str(Offset(2, 17)) == "2-17"


def test_offsets_are_in_the_order_of_reading():
    assert START < Offset(1, 0) < Offset(1, 2) < Offset(1, 10) < Offset(2, 0) < Offset(2, 1)


NO_OFFSETS = ["", "1", "1-", "-1", "1-2-3", "1-x", "+1-2", "1 -2", "²-1", "1-" + "9" * 19]


@pytest.mark.parametrize("text", NO_OFFSETS)
def test_anything_else_is_no_offset(text: str):
    with pytest.raises(ValueError, match="attempt-number"):
        parse_offset(text)
