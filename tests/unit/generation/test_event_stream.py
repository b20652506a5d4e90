from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrel.generation.event_stream import EventDecoder, EventTooLarge

STREAM = ': hello\n\ndata: {"text":"žluťoučký 🐎"}\n\nevent: x\ndata: a\ndata:b\n\n\n\ndata: c\n\n'
EVENTS = ['{"text":"žluťoučký 🐎"}'.encode(), b"a\nb", b"c"]


def decode(*chunks: bytes) -> list[bytes]:
    decoder = EventDecoder()
    return [data for chunk in chunks for data in decoder.feed(chunk)] + decoder.flush()


@given(
    cuts=st.lists(st.integers(0, 2 * len(STREAM)), max_size=30),
    line_break=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_events_are_the_same_wherever_the_bytes_are_cut(cuts: list[int], line_break: str) -> None:
    stream = STREAM.replace("\n", line_break).encode()
    edges = [0, *sorted(cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(edges)]
    assert decode(*chunks) == EVENTS


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_events_are_the_same_byte_by_byte(line_break: str) -> None:
    stream = STREAM.replace("\n", line_break).encode()
    assert decode(*(bytes([byte]) for byte in stream)) == EVENTS


def test_a_carriage_return_at_the_end_of_a_chunk_is_not_counted_twice() -> None:
    assert decode(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [b"a\nb"]


def test_an_event_is_given_out_as_soon_as_it_ends() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: a\n\ndata: b\n") == [b"a"]
    assert decoder.feed(b"\n") == [b"b"]


def test_comments_and_other_fields_give_nothing() -> None:
    assert decode(b": keep-alive\n\nevent: ping\nid: 7\nretry: 10\n\n") == []


def test_only_one_space_after_the_colon_is_dropped() -> None:
    assert decode(b"data:a\n\ndata:  b\n\n") == [b"a", b" b"]


def test_a_byte_order_mark_is_dropped() -> None:
    assert decode(b"\xef\xbb\xbfdata: a\n\n") == [b"a"]


def test_a_last_event_without_a_line_break_is_given_at_the_end() -> None:
    assert decode(b"data: a\n\ndata: [DONE]") == [b"a", b"[DONE]"]


def test_an_event_that_never_ends_is_refused_at_the_limit() -> None:
    decoder = EventDecoder(max_event_bytes=100)
    assert decoder.feed(b"data: " + b"x" * 94) == []
    with pytest.raises(EventTooLarge):
        decoder.feed(b"x")


def test_many_events_in_one_chunk_are_no_large_event() -> None:
    decoder = EventDecoder(max_event_bytes=100)
    assert decoder.feed(b"data: a\n\n" * 1000) == [b"a"] * 1000
