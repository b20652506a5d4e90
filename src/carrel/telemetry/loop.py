"""How late the event loop is: nothing in a process answers while its loop is held up."""

import asyncio
import time

from carrel.telemetry import metrics

SAMPLE_SECONDS = 0.01


async def watch_loop() -> None:
    """Measure by how much each short sleep overruns, until cancelled."""
    while True:
        due = time.perf_counter() + SAMPLE_SECONDS
        await asyncio.sleep(SAMPLE_SECONDS)
        metrics.observe_loop_lag(max(0.0, time.perf_counter() - due))
