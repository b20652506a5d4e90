"""What a server keeps on its own machine, where servers on other hosts cannot see it."""

import socket

import msgspec

from carrel.settings import Settings


class Place(msgspec.Struct, frozen=True):
    """A server's host and data folder.

    `keeps`: the settings that it lacks, without each of which something is kept there.
    """

    where: str
    keeps: tuple[str, ...]

    def encoded(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decoded(cls, raw: bytes) -> "Place":
        return msgspec.json.decode(raw, type=cls)


def place_of(settings: Settings) -> Place:
    """Where a server with *settings* keeps what it does not share."""
    shared = {
        "CARREL_DATABASE_URL": settings.database_url,
        "CARREL_QDRANT_URL": settings.qdrant_url,
        "CARREL_ORIGINALS__URL": settings.originals.url,
    }
    keeps = tuple(name for name, value in shared.items() if value is None)
    return Place(f"{socket.gethostname()}:{settings.data_dir}", keeps)


def apart(here: Place, there: Place) -> tuple[str, ...]:
    """The settings that are missing here or there, where the two need the same; () if none."""
    if here.where == there.where:
        return ()
    return tuple(sorted({*here.keeps, *there.keeps}))
