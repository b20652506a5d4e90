"""How late the event loop is: nothing in a process answers while its loop is held up."""

import asyncio
import time

from carrel.telemetry import metrics

SAMPLE_SECONDS = 0.01
# Two of them are looked back on, so that any scraper of up to 15 s sees every overrun. A maximum
# that a scrape resets would be the first scraper's alone.
WINDOW_SECONDS = 15.0
_SAMPLE_SHARE = 0.1  # of the newest overrun in what is lately the case


class Lateness:
    """By how much the loop of this process is late, lately: a mean over some tenths of a second."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        self.seconds += _SAMPLE_SHARE * (seconds - self.seconds)


lateness = Lateness()


class LargestLag:
    """The largest overrun of this window and the one before, as a gauge."""

    def __init__(self) -> None:
        self._since = 0.0
        self._before = 0.0
        self._now = 0.0

    def observe(self, seconds: float, at: float) -> None:
        """Take in one overrun, seen *at* a time in seconds."""
        if at - self._since >= WINDOW_SECONDS:
            self._since, self._before, self._now = at, self._now, 0.0
            metrics.loop_lag_max_seconds.set(max(self._before, seconds))
        if seconds > self._now:
            self._now = seconds
            metrics.loop_lag_max_seconds.set(max(self._before, seconds))


async def watch_loop() -> None:
    """Measure by how much each short sleep overruns, until cancelled."""
    largest = LargestLag()
    while True:
        due = time.perf_counter() + SAMPLE_SECONDS
        await asyncio.sleep(SAMPLE_SECONDS)
        now = time.perf_counter()
        lag = max(0.0, now - due)
        metrics.loop_lag_seconds.observe(lag)
        largest.observe(lag, now)
        lateness.observe(lag)
