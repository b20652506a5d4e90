"""Spans on their way to a collector, by OTLP over HTTP, in a thread of its own.

A collector that is slow or gone costs requests nothing: spans wait in a queue that is bounded,
and what does not fit, or is not taken, is lost and counted. Nothing is sent again: the next
batch is as good a try.

Protocol: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import collections
import gzip
import http.client
import logging
import os
import secrets
import ssl
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

# Imported here alone, and only when traces are wanted. OpenTelemetry's SDK is not: while it is
# installed, redis-py loads it, which takes a quarter of a second of every start.
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Packed
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from carrel import __version__
from carrel.telemetry import metrics
from carrel.telemetry.genai import SCHEMA
from carrel.telemetry.trace import Span, Value

log = logging.getLogger(__name__)

QUEUE = 8_192
# Small enough that packing one holds Python's lock for no longer than it would switch anyway.
BATCH = 128
PAUSE_SECONDS = 1.0
TIMEOUT_SECONDS = 5.0
FLUSH_SECONDS = 2.0

_KINDS = {
    "internal": Packed.SPAN_KIND_INTERNAL,
    "server": Packed.SPAN_KIND_SERVER,
    "client": Packed.SPAN_KIND_CLIENT,
    "producer": Packed.SPAN_KIND_PRODUCER,
    "consumer": Packed.SPAN_KIND_CONSUMER,
}


class Collector:
    """Sends spans to *endpoint*, a whole URL. *process* is ours that this is: `api`, `worker`.

    Headers and attributes of the resource come from OpenTelemetry's own variables.
    """

    def __init__(self, endpoint: str, *, process: str) -> None:
        self._url = urlsplit(endpoint)
        self._headers = {
            "content-type": "application/x-protobuf",
            "content-encoding": "gzip",
            "user-agent": f"carrel/{__version__}",
            **_pairs("OTEL_EXPORTER_OTLP_HEADERS"),
            **_pairs("OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
        }
        self._resource: dict[str, Value] = {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", "carrel"),
            "service.version": __version__,
            "service.instance.id": secrets.token_hex(8),
            "carrel.process": process,
            **_pairs("OTEL_RESOURCE_ATTRIBUTES"),
        }
        self._connection: http.client.HTTPConnection | None = None
        self._queue: collections.deque[Span] = collections.deque()
        self._awake = threading.Event()
        self._closed = False
        self._failing = False
        self._sent = metrics.trace_spans.labels("sent")
        self._lost = metrics.trace_spans.labels("lost")
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def take(self, span: Span) -> None:
        """Send *span* soon."""
        if len(self._queue) >= QUEUE:
            self._lost.inc()
            return
        self._queue.append(span)
        if len(self._queue) == BATCH:
            self._awake.set()

    def close(self) -> None:
        """Send what is left, for `FLUSH_SECONDS` at most. To be called in a thread."""
        self._closed = True
        self._awake.set()
        self._thread.join(FLUSH_SECONDS)

    def _run(self) -> None:
        while not self._closed:
            self._awake.wait(PAUSE_SECONDS)
            self._awake.clear()
            self._flush()
        self._flush()
        self._drop()

    def _flush(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            try:
                taken = len(batch) - self._send(pack(batch, self._resource))
            except Exception as error:  # noqa: BLE001 - whatever is wrong, the server goes on
                taken = 0
                self._note(f"{type(error).__name__} {error}")
            else:
                self._note(None)
            self._sent.inc(taken)
            self._lost.inc(len(batch) - taken)

    def _send(self, body: bytes) -> int:
        """How many spans of the batch were refused.

        Raises:
            OSError, http.client.HTTPException: the batch was not taken.
        """
        reused = self._connection is not None
        try:
            status, answer = self._post(body)
        except (OSError, http.client.HTTPException):
            self._drop()
            if not reused:
                raise
            # One that was idle may have been closed just then.
            status, answer = self._post(body)
        if status != http.client.OK:
            raise http.client.HTTPException(f"HTTP {status}")
        return ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans

    def _post(self, body: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = self._connect()
        path = self._url.path + (f"?{self._url.query}" if self._url.query else "")
        try:
            self._connection.request("POST", path, body=body, headers=self._headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except BaseException:
            self._drop()
            raise

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "localhost", self._url.port
        if self._url.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        authority = os.environ.get("OTEL_EXPORTER_OTLP_CERTIFICATE")
        context = ssl.create_default_context(cafile=authority)
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _note(self, wrong: str | None) -> None:
        """Say it once, when traces begin to be lost, and when that is over."""
        if wrong and not self._failing:
            log.warning("traces cannot be delivered, and are lost meanwhile: %s", wrong)
        elif self._failing and not wrong:
            log.warning("traces are delivered again")
        self._failing = wrong is not None


def pack(spans: Sequence[Span], resource: Mapping[str, Value]) -> bytes:
    """The body of a request that hands over *spans*, compressed."""
    request = ExportTraceServiceRequest()
    ours = request.resource_spans.add()
    ours.resource.attributes.extend(_attributes(resource))
    scope = ours.scope_spans.add(schema_url=SCHEMA)
    scope.scope.name, scope.scope.version = "carrel", __version__
    scope.spans.extend(_packed(span) for span in spans)
    return gzip.compress(request.SerializeToString(), compresslevel=1)


def _packed(span: Span) -> Packed:
    return Packed(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id or ""),
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.started_ns,
        end_time_unix_nano=span.ended_ns,
        attributes=_attributes(span.attributes),
        events=[Packed.Event(name=name, time_unix_nano=at) for name, at in span.events],
        status=Status(code=Status.STATUS_CODE_ERROR) if span.fault else None,
        flags=1,  # sampled
    )


def _attributes(values: Mapping[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_any(value)) for name, value in values.items()]


def _any(value: Value) -> AnyValue:
    if isinstance(value, bool):  # which is an int, too
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return AnyValue(array_value=ArrayValue(values=[_any(each) for each in value]))


def _pairs(variable: str) -> dict[str, Any]:
    """`name=value,name=value`, percent-encoded, as OpenTelemetry has it."""
    pairs = (each.partition("=") for each in os.environ.get(variable, "").split(",") if "=" in each)
    return {unquote(name.strip()).lower(): unquote(value.strip()) for name, _, value in pairs}
