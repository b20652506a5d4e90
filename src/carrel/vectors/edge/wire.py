"""What an adapter and the vector engine say to each other: framed MessagePack.

Every request that touches points names its tenant and the collection: there is no
message for a search or a write without them. A frame is the length of its body in
four bytes, big-endian, and then one message.
"""

import asyncio
from typing import Any, Literal

import msgspec

MAX_FRAME_BYTES = 32 * 1024 * 1024
LENGTH_BYTES = 4

SHARED = ""  # the collection of every tenant that has none of its own


class FrameTooLarge(ValueError):
    """A frame's length is beyond what either side accepts."""


class Point(msgspec.Struct, array_like=True, frozen=True):
    """A point to store; `dense` holds float32 values in this machine's byte order."""

    id: str
    payload: dict[str, Any]
    dense: bytes
    indices: list[int]
    values: list[float]


class HasFact(msgspec.Struct, array_like=True, frozen=True, tag=True):
    """One of these facts is true of the chunk (see `domain.filter.fact`)."""

    any_of: list[str]


class NumberWithin(msgspec.Struct, array_like=True, frozen=True, tag=True):
    """A metadata field holds a number within the bounds."""

    field: str
    gte: float | None
    lte: float | None


class DateWithin(msgspec.Struct, array_like=True, frozen=True, tag=True):
    """A metadata field holds a date within the bounds, written in ISO 8601."""

    field: str
    gte: str | None
    lte: str | None


Term = HasFact | NumberWithin | DateWithin


class OfTenant(msgspec.Struct, array_like=True):
    """A request about one tenant's points in one collection: its own, or `SHARED`."""

    tenant_id: str
    collection: str


class Stage(OfTenant, tag=True):
    """Store points, invisible to searches; those aside are visible to `visible_to` at once."""

    points: list[Point]
    visible_to: list[str] = []


class Publish(OfTenant, tag=True):
    """Make a version visible to whoever may see one of `visible_to`."""

    document_id: str
    version: int
    visible_to: list[str]


class Withdraw(OfTenant, tag=True):
    """Delete a document's versions lower than `before`."""

    document_id: str
    before: int


class Discard(OfTenant, tag=True):
    """Delete a version."""

    document_id: str
    version: int


class Erase(OfTenant, tag=True):
    """Delete all points of the tenant, and the collection with them if it is the tenant's own."""


class Count(OfTenant, tag=True):
    """Count the points that `sees` may see, of one document or of all."""

    sees: list[str]
    document_id: str | None


class Search(OfTenant, tag=True):
    """Find the nearest points that `sees` may see, by cosine and by BM25, `limit` of each."""

    sees: list[str]
    dense: bytes
    indices: list[int]
    values: list[float]
    limit: int
    where: list[Term]
    exact: bool


class Fetch(OfTenant, tag=True):
    """Read the points among these ids that `sees` may see."""

    sees: list[str]
    ids: list[str]


class Inventory(OfTenant, tag=True):
    """List what is stored, of one document or of all, a slice at a time: from the point `start`."""

    document_id: str | None
    start: str | None


class Read(OfTenant, tag=True):
    """Read the points among these ids whole, whoever may see them."""

    ids: list[str]


class Ping(msgspec.Struct, array_like=True, tag=True):
    """Say that you are there."""


class Describe(msgspec.Struct, array_like=True, tag=True):
    """Say how large the shared shard is, and how many others there are."""


class Optimise(msgspec.Struct, array_like=True, tag=True):
    """Rebuild a collection's shard now; the reply comes when that is done."""

    collection: str


Write = Stage | Publish | Withdraw | Discard | Erase
Question = Count | Search | Fetch | Inventory | Read
Request = Write | Question | Ping | Describe | Optimise


class Done(msgspec.Struct, array_like=True, tag=True):
    """The request was carried out."""


class Counted(msgspec.Struct, array_like=True, tag=True):
    """How many points there are."""

    points: int


class Found(msgspec.Struct, array_like=True, tag=True):
    """Both lists of a search as (point id, score), best first."""

    dense: list[tuple[str, float]]
    sparse: list[tuple[str, float]]


class Fetched(msgspec.Struct, array_like=True, tag=True):
    """The payloads of points, by id."""

    payloads: dict[str, dict[str, Any]]


class Stored(msgspec.Struct, array_like=True, frozen=True):
    """So many points of a version, and each distinct list of those who may see one."""

    document_id: str
    version: int
    points: int
    audiences: list[tuple[str, ...]]


class Inventoried(msgspec.Struct, array_like=True, tag=True):
    """What a slice of the points belongs to; the next one starts at the point `following`."""

    stored: list[Stored]
    following: str | None


class Whole(msgspec.Struct, array_like=True, tag=True):
    """Points with all that is stored of them, their vectors normalised."""

    points: list[Point]


class Size(msgspec.Struct, array_like=True, frozen=True):
    """A shard's points; `unindexed` have no graph, `dead` are deleted but take up room."""

    points: int
    unindexed: int
    dead: int
    segments: int


class Described(msgspec.Struct, array_like=True, tag=True):
    """The size of the shared shard, how many own collections there are, and how many are open."""

    shared: Size
    collections: int
    open_collections: int


class Refused(msgspec.Struct, array_like=True, tag=True):
    """The request was not carried out, or not to its end."""

    code: Literal["invalid_request", "too_large", "storage_full", "failed"]
    message: str


Reply = Done | Counted | Found | Fetched | Inventoried | Whole | Described | Refused

_encoder = msgspec.msgpack.Encoder()
_requests = msgspec.msgpack.Decoder(Request)
_replies = msgspec.msgpack.Decoder(Reply)


def encode(message: Request | Reply) -> bytes:
    """The body of a frame.

    Raises:
        ValueError: the message holds text that is not valid Unicode.
        OverflowError: the message holds an integer of more than 64 bits.
    """
    return _encoder.encode(message)


def decode_request(body: bytes) -> Request:
    """Raises `msgspec.DecodeError` (or its subclass `ValidationError`) for anything else."""
    return _requests.decode(body)


def decode_reply(body: bytes) -> Reply:
    """Raises `msgspec.DecodeError` (or its subclass `ValidationError`) for anything else."""
    return _replies.decode(body)


def write_frame(writer: asyncio.StreamWriter, body: bytes) -> None:
    """Hand *body* to the transport; the caller drains.

    Raises:
        FrameTooLarge: nothing was written.
    """
    if len(body) > MAX_FRAME_BYTES:
        raise FrameTooLarge(f"a frame of {len(body)} bytes; at most {MAX_FRAME_BYTES} are allowed")
    writer.writelines((len(body).to_bytes(LENGTH_BYTES, "big"), body))


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """The next frame's body.

    Raises:
        FrameTooLarge: what follows can't be told apart any more; close the connection.
        asyncio.IncompleteReadError: the other side is gone.
    """
    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
    if length > MAX_FRAME_BYTES:
        raise FrameTooLarge(f"a frame of {length} bytes; at most {MAX_FRAME_BYTES} are allowed")
    return await reader.readexactly(length)
