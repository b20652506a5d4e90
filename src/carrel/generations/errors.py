"""What can go wrong with a generation.

Failed          the leader's `start` raised it, with bytes that say why; every reader gets it
Unfinished      nobody wrote it to its end: cancelled, lost or closing
Fenced          told to a leader that leads no more
LogFull         told to a leader that wrote more than a generation may hold
"""

from carrel.domain.errors import Unavailable
from carrel.generations.events import EndReason

_MESSAGES: dict[EndReason, str] = {
    "cancelled": "the answer was not written to its end, because nobody read it any more",
    "closing": "the server is shutting down; the answer can be resumed",
}
_LOST = "the server that wrote the answer was lost; ask again"


class Failed(Exception):
    """The generation failed, and *payload* says how.

    `start` raises it with whatever it wants the readers, here and elsewhere, to know.
    """

    def __init__(self, payload: bytes = b"") -> None:
        super().__init__("the generation failed")
        self.payload = payload


class Unfinished(Unavailable):
    """The log ends here, and the generation is not whole. *reason*: see `End`."""

    def __init__(self, reason: EndReason) -> None:
        super().__init__(_MESSAGES.get(reason, _LOST))
        self.reason: EndReason = reason


class Fenced(Exception):
    """The attempt is over: another leads, or the generation has ended. Nothing was written."""

    def __init__(self) -> None:
        super().__init__("this attempt at the generation is over")


class LogFull(Exception):
    """The generation holds as many bytes as it may. Nothing was written."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"a generation holds at most {max_bytes} bytes")
