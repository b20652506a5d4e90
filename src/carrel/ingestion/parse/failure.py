"""The ways in which a document fails to be read."""

from carrel.domain.errors import CarrelError


class ParseFailed(Exception):
    """The document cannot be read, today or tomorrow; `reason` says why, for people.

    It names nothing of the server: the reason is shown to whoever uploaded the document.
    """

    def __init__(self, reason: str, *, of_all: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        # Of a file within a file: it is not that one which is too much, but all of them.
        self.of_all = of_all


class ParserKilled(CarrelError):
    """Something killed the process that was reading, which may not be the document's fault.

    The kernel does so when the machine is short of memory.
    """
