import asyncio
from typing import get_args

import msgspec
import pytest

from carrel.vectors.edge import wire

WITHOUT_TENANT = {wire.Ping, wire.Describe, wire.Optimise}


def test_every_request_about_points_names_a_tenant_and_a_collection() -> None:
    kinds = set(get_args(wire.Request))
    assert kinds == WITHOUT_TENANT | set(get_args(wire.Write)) | set(get_args(wire.Question))
    assert {kind for kind in kinds if not issubclass(kind, wire.OfTenant)} == WITHOUT_TENANT
    required = {field.name for field in msgspec.structs.fields(wire.OfTenant) if field.required}
    assert required == {"tenant_id", "collection"}


@pytest.mark.parametrize(
    "request_",
    [
        wire.Stage(
            "t",
            wire.SHARED,
            [wire.Point("id", {"a": [1, None, 2.5, "ü"]}, b"\x00\x01", [1], [0.5])],
        ),
        wire.Withdraw("t", wire.SHARED, "d", 2),
        wire.Search(
            "t",
            "col_x",
            ["everyone"],
            b"",
            [],
            [],
            1,
            [wire.HasFact(["a"]), wire.NumberWithin("f", None, 1.0)],
            True,
        ),
        wire.Ping(),
    ],
)
def test_a_request_arrives_as_it_was_sent(request_: wire.Request) -> None:
    assert wire.decode_request(wire.encode(request_)) == request_


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x91\xa5Erase", b"\x92\xa5Erase\x01", b"\x80"])
def test_what_is_not_a_request_is_not_read_as_one(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        wire.decode_request(body)


async def test_frames_arrive_one_by_one() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"\x00\x00\x00\x03abc\x00\x00\x00\x00\x00\x00\x00\x01d")
    reader.feed_eof()
    assert [await wire.read_frame(reader) for _ in range(3)] == [b"abc", b"", b"d"]
    with pytest.raises(asyncio.IncompleteReadError):
        await wire.read_frame(reader)


async def test_a_frame_that_is_too_large_is_not_waited_for() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data((wire.MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(wire.FrameTooLarge):
        await wire.read_frame(reader)
