"""One request in the ledger while its answer is being written."""

import time
from collections.abc import Callable

from carrel.usage.journal import Journal, Opened, Record, Wrote

# A process that is killed loses at most this much of what a model wrote.
PROGRESS_SECONDS = 1.0


class Entry:
    """Keeps the journal informed of how much a model has written; made by `Ledger.open`."""

    __slots__ = ("_count_tokens", "_due", "_journal", "_new", "_tokens", "opened")

    def __init__(
        self, opened: Opened, journal: Journal, count_tokens: Callable[[str], int]
    ) -> None:
        self.opened = opened
        self._journal = journal
        self._count_tokens = count_tokens
        self._tokens = 0
        self._new: list[str] = []
        self._due = time.monotonic() + PROGRESS_SECONDS

    def wrote(self, text: str) -> None:
        """Take in the next piece of the answer."""
        self._new.append(text)
        if time.monotonic() >= self._due:
            self._tokens += self._count_tokens("".join(self._new))
            self._new.clear()
            self._journal.append(self._progress)
            self._due = time.monotonic() + PROGRESS_SECONDS

    @property
    def records(self) -> tuple[Record, ...]:
        """What a new journal must say of this request."""
        return (self.opened, self._progress) if self._tokens else (self.opened,)

    @property
    def _progress(self) -> Wrote:
        return Wrote(self.opened.request_id, self._tokens)
