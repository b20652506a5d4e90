import pytest

from carrel.ingestion.parse.decode import decode
from carrel.ingestion.parse.failure import ParseFailed


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_how_text_is_encoded(encoding):
    assert decode("Łódź – 返金".encode(encoding)) == "Łódź – 返金"


def test_big_endian_text_is_read_by_its_mark():
    assert decode(b"\xfe\xff" + "Łódź".encode("utf-16-be")) == "Łódź"


def test_a_damaged_byte_in_utf_8_costs_one_character():
    assert (
        decode("Łódź żółć ąęśź ".encode() * 3 + b"\xff end") == "Łódź żółć ąęśź " * 3 + "\ufffd end"
    )


def test_text_cut_within_a_marked_encoding_is_read_to_its_end():
    assert decode("ab".encode("utf-16")[:-1]) == "a\ufffd"


def test_zero_bytes_are_refused():
    with pytest.raises(ParseFailed, match="not text"):
        decode(b"text\0with zeros")


def test_lines_end_in_a_line_feed():
    assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"
