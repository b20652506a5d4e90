"""The simulator's own counts, to hold against what the program under test reports."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, fields


@dataclass(slots=True)
class Stats:
    """Counts since the start or the last reset. A request ends in exactly one way:

    `requests = completed + cancelled_by_client + failed + open`, where `failed`
    are the faults that were asked for: HTTP errors, errors in the stream, cuts.
    """

    requests: int = 0
    completed: int = 0
    cancelled_by_client: int = 0
    failed: int = 0
    open: int = 0
    peak_open: int = 0
    connections: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0  # sent, whether or not the answer was completed
    _watchers: list[tuple[Callable[["Stats"], bool], asyncio.Future[None]]] = field(
        default_factory=list, repr=False
    )

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "_watchers"}

    def reset(self) -> None:
        """Begin again, keeping the requests that are open."""
        for name in self.as_dict():
            setattr(self, name, 0 if name != "open" else self.open)
        self.requests = self.peak_open = self.open

    def begin(self, prompt_tokens: int) -> None:
        self.requests += 1
        self.prompt_tokens += prompt_tokens
        self.open += 1
        self.peak_open = max(self.peak_open, self.open)
        self.changed()

    def end(self, how: str, completion_tokens: int = 0) -> None:
        """Close a request as *how*: `completed`, `cancelled_by_client` or `failed`."""
        setattr(self, how, getattr(self, how) + 1)
        self.completion_tokens += completion_tokens
        self.open -= 1
        self.changed()

    async def until(self, condition: Callable[["Stats"], bool]) -> None:
        """Return when *condition* holds; tests wait here for what the other end does."""
        if not condition(self):
            reached = asyncio.get_running_loop().create_future()
            self._watchers.append((condition, reached))
            await reached

    def changed(self) -> None:
        for watcher in list(self._watchers):
            condition, reached = watcher
            if reached.done() or condition(self):
                self._watchers.remove(watcher)
                if not reached.done():
                    reached.set_result(None)
