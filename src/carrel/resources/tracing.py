"""Traces of a process, where a collector is named."""

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from carrel.settings import Settings

if TYPE_CHECKING:  # what takes long to import, only its users should pay for
    from carrel.telemetry.otlp import Collector


async def open_tracing(
    settings: Settings, stack: contextlib.AsyncExitStack, *, process: str
) -> None:
    """Traces of this *process*, where a collector is named: here, or as OpenTelemetry has it."""
    chosen = settings.tracing
    endpoint = _traces_endpoint(chosen.endpoint)
    if endpoint is None:
        return
    from carrel.telemetry import trace

    collector = await asyncio.to_thread(_collector, endpoint, process)
    trace.turn_on(collector.take, ratio=chosen.ratio, follows=chosen.follow_callers)
    stack.push_async_callback(asyncio.to_thread, collector.close)
    stack.callback(trace.turn_off)


def _traces_endpoint(chosen: str | None) -> str | None:
    """Where spans are sent: as it is set here, else as OpenTelemetry's variables have it."""
    whole = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if chosen is None and whole:
        return whole
    given = chosen or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not given or given.endswith("/v1/traces"):
        return given or None
    return given.rstrip("/") + "/v1/traces"


def _collector(endpoint: str, process: str) -> "Collector":
    from carrel.telemetry.otlp import Collector

    return Collector(endpoint, process=process)
