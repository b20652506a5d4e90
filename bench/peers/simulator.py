"""The LLM simulator as a process whose behaviour can be changed while it runs."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator


@contextlib.asynccontextmanager
async def simulator() -> AsyncGenerator[tuple[str, int]]:
    """Its base URL, up to and with `/v1`, and its process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.simulator", "--port", "0"),
        *("--ttft-ms", "1", "--tokens-per-second", "0"),  # until it is told otherwise
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        yield line.split()[-1], process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
