"""One request in the ledger while its answer is being written."""

import time
from collections.abc import Callable

from carrel.usage.journal import Journal, Opened, Record, Wrote

# A process that is killed loses at most this much of what a model wrote.
PROGRESS_SECONDS = 1.0


class Entry:
    """Keeps the journal informed of how much a model has written; made by `Ledger.open`."""

    __slots__ = (
        "_characters",
        "_count_tokens",
        "_due",
        "_journal",
        "_per_character",
        "_start",
        "opened",
    )

    def __init__(
        self, opened: Opened, journal: Journal, count_tokens: Callable[[str], int]
    ) -> None:
        self.opened = opened
        self._journal = journal
        self._count_tokens = count_tokens
        self._characters = 0
        self._start: list[str] = []  # of the answer, until its tokens are counted
        self._per_character = 0.0
        self._due = time.monotonic() + PROGRESS_SECONDS

    def wrote(self, text: str) -> None:
        """Take in the next piece of the answer.

        Of a long one the first second's tokens are counted, and the rest estimated by them: what
        is told here counts only where the process is killed.
        """
        self._characters += len(text)
        if not self._per_character:
            self._start.append(text)
        if time.monotonic() >= self._due:
            if self._start and (text := "".join(self._start)):
                self._per_character = self._count_tokens(text) / len(text)
                self._start.clear()
            self._journal.append(self._progress)
            self._due = time.monotonic() + PROGRESS_SECONDS

    @property
    def records(self) -> tuple[Record, ...]:
        """What a new journal must say of this request."""
        return (self.opened, self._progress) if self._per_character else (self.opened,)

    @property
    def _progress(self) -> Wrote:
        tokens = round(self._characters * self._per_character)
        return Wrote(self.opened.request_id, tokens)
