"""How late the event loop is: nothing in a process answers while its loop is held up."""

import asyncio

from carrel.telemetry import metrics

SAMPLE_SECONDS = 0.01


async def watch_loop() -> None:
    """Measure by how much each short sleep overruns, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + SAMPLE_SECONDS
        await asyncio.sleep(SAMPLE_SECONDS)
        metrics.observe_loop_lag(max(0.0, loop.time() - due))
