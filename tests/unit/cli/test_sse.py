from collections.abc import AsyncGenerator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrel.cli.sse import ServerSentEvent, events

STREAM = (
    b': hello\n\nid: 1\nevent: delta\ndata: {"a":\ndata: 1}\n\n'
    b"retry: 5\ndata:no space\r\n\r\nevent: empty\n\nid: 3\rdata: \xc3\xa9\r\r"
)
PARSED = [
    ServerSentEvent("delta", b'{"a":\n1}', "1"),
    ServerSentEvent("message", b"no space", "1"),
    ServerSentEvent("message", "é".encode(), "3"),
]


async def parse(*pieces: bytes) -> list[ServerSentEvent]:
    async def stream() -> AsyncGenerator[bytes]:
        for piece in pieces:
            yield piece

    return [event async for event in events(stream())]


async def test_fields_comments_and_every_line_end_are_read_as_the_standard_says():
    assert await parse(STREAM, b"\n") == PARSED


@given(st.sets(st.integers(1, len(STREAM))))
async def test_where_the_network_cuts_changes_nothing(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]
    assert await parse(*pieces, b"\n") == PARSED


async def test_a_line_end_cut_in_two_ends_one_line():
    # Taken as two line ends, the event would be over before its second line of data.
    assert await parse(b"data: 1\r", b"\ndata: 2\n\n") == [ServerSentEvent("message", b"1\n2")]


@pytest.mark.parametrize("stream", [b"", b"data: 1", b"data: 1\n"])
async def test_an_event_that_is_cut_off_is_dropped(stream):
    assert await parse(stream) == []
