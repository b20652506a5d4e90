"""What readers of a generation get, and where in it they are."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

EndReason = Literal["done", "failed", "cancelled", "lost", "closing"]


class Offset(NamedTuple):
    """The place of an event: of which attempt at the generation, and its number there, from 1.

    Offsets of one generation are in the order in which they are read. Attempts need not be
    numbered without gaps.
    """

    attempt: int
    number: int

    def __str__(self) -> str:
        """`attempt-number`, which is how `parse_offset` reads it."""
        return f"{self.attempt}-{self.number}"


START = Offset(0, 0)  # before everything


def parse_offset(text: str) -> Offset:
    """The offset that was written as *text*. Raises `ValueError`."""
    attempt, separator, number = text.partition("-")
    if not (separator and _is_number(attempt) and _is_number(number)):
        raise ValueError("an offset is two numbers: attempt-number")
    return Offset(int(attempt), int(number))


class Event(NamedTuple):
    """One event; what *data* means is up to those who write and read it."""

    offset: Offset
    data: bytes


class Restarted(NamedTuple):
    """The generation was begun again: what was read of it before is void, and may differ."""

    offset: Offset


Item = Event | Restarted


@dataclass(frozen=True, slots=True)
class End:
    """How a generation ended, with what was said of a failure.

    done and failed: its leader said so. cancelled: nobody read any more. lost: its leader died,
    and nobody began again. closing: this process is being shut down.
    """

    reason: EndReason
    payload: bytes = b""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
