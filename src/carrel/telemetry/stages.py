"""How long each stage of a request took, and what came of it: for its line in the log."""

import contextlib
import time
from collections.abc import Generator


class Stages:
    """Milliseconds by stage, from the moment this was made.

    `facts` are what else the line says, by name: counts and words, never content.
    """

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self.milliseconds: dict[str, float] = {}
        self.facts: dict[str, object] = {}

    @contextlib.contextmanager
    def time(self, stage: str) -> Generator[None]:
        """Add the time of the block to *stage*."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - start) * 1000
            self.milliseconds[stage] = self.milliseconds.get(stage, 0.0) + spent

    def mark(self, stage: str) -> None:
        """Set *stage* to the time since the start, the first time it is reached."""
        if stage not in self.milliseconds:
            self.milliseconds[stage] = (time.perf_counter() - self._start) * 1000
