"""A time budget that counts what Redis takes, and not what this process takes.

When the event loop was held up, its timers go off late, and before it has read
the replies that came meanwhile. Taking that for a slow Redis would turn every
stall of ours into an outage of theirs: so a late timer gives the time once more.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

LATE_SECONDS = 0.01


@contextlib.asynccontextmanager
async def time_budget(seconds: float) -> AsyncGenerator[None]:
    """Raises `TimeoutError` when the block takes longer."""
    loop = asyncio.get_running_loop()
    due = loop.time() + seconds

    def expire() -> None:
        now = loop.time()
        timeout.reschedule(now + seconds if now - due > LATE_SECONDS else now)

    async with asyncio.timeout(None) as timeout:
        timer = loop.call_at(due, expire)
        try:
            yield
        finally:
            timer.cancel()
