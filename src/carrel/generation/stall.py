"""A timer for waits that begin and end by the thousands.

Beginning a wait costs two assignments. The event loop's timer is set once and,
when it goes off, set again for what is left; not once per token.
"""

import asyncio
from collections.abc import Callable
from math import inf


class StallTimer:
    """Calls *on_stall*, once, when a wait outlasts its limit.

    `stalled` then stays true. No wait outlasts *latest*, in the event loop's time.
    """

    __slots__ = ("_armed_for", "_deadline", "_handle", "_latest", "_loop", "_on_stall", "stalled")

    def __init__(self, on_stall: Callable[[], object], latest: float = inf) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_stall = on_stall
        self._latest = latest
        self._deadline = inf
        self._armed_for = inf
        self._handle: asyncio.TimerHandle | None = None
        self.stalled = False

    def wait(self, seconds: float) -> None:
        """Begin a wait, in place of the one under way."""
        self.wait_until(self._loop.time() + seconds)

    def wait_until(self, deadline: float) -> None:
        """Begin a wait that ends at *deadline*, in the event loop's time."""
        self._deadline = deadline = min(deadline, self._latest)
        if deadline < self._armed_for:
            self._arm(deadline)

    def pause(self) -> None:
        """End the wait: time passes uncounted until the next."""
        self._deadline = inf

    def stop(self) -> None:
        """End the wait for good."""
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self, moment: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_for = moment
        self._handle = self._loop.call_at(moment, self._check)

    def _check(self) -> None:
        self._handle, self._armed_for = None, inf
        if self._deadline <= self._loop.time():
            self.stalled = True
            self._on_stall()
        elif self._deadline < inf:
            self._arm(self._deadline)
