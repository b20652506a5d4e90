"""The process that carries out ingestion: `python -m carrel.serving.worker`."""

import asyncio
import contextlib
import signal
import sys

import uvloop
from prometheus_client import start_http_server

from carrel.serving.lifeline import on_parent_death, say_ready
from carrel.serving.memory import settle
from carrel.settings import load_settings
from carrel.telemetry.log import configure_logging
from carrel.working import open_worker


async def work() -> None:
    """Carry out jobs until SIGTERM or until the supervisor dies."""
    settings = load_settings()
    configure_logging(settings.log.level, settings.log.format)
    if port := settings.ingestion.metrics_port:
        start_http_server(port)
    async with open_worker(settings) as worker:
        settle()
        running = asyncio.ensure_future(worker.run())
        on_parent_death(running.cancel)
        say_ready()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await running


if __name__ == "__main__":
    uvloop.run(work())
    sys.exit(0)
