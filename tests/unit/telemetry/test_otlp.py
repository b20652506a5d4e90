import asyncio
import gzip
import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests import collector

from carrel.telemetry import metrics, otlp
from carrel.telemetry.otlp import Collector, pack
from carrel.telemetry.trace import Span


def new_span() -> Span:
    span = Span("x", "server", trace_id="a1" * 16, parent_id="b2" * 8, sampled=True)
    span.put({"s": "é", "i": 7, "f": 0.5, "b": True, "t": ("a", "b"), "none": None, "d": {}})
    span.event("seen")
    span.fail(ValueError)
    span.ended_ns = span.started_ns + 5
    return span


def test_a_span_is_packed_whole() -> None:
    request = ExportTraceServiceRequest.FromString(
        gzip.decompress(pack([new_span()], {"service.name": "carrel"}))
    )
    (packed,) = request.resource_spans[0].scope_spans[0].spans
    found = collector._span(packed, "api")
    assert (found.trace_id, found.parent_id) == ("a1" * 16, "b2" * 8)
    assert (found.name, found.kind, found.failed) == ("x", "server", True)
    assert found.ended_ns - found.started_ns == 5
    assert found.events == ["seen"]
    assert found.attributes == {
        "s": "é",
        "i": 7,
        "f": 0.5,
        "b": True,
        "t": ["a", "b"],
        "error.type": "ValueError",
    }


def lost() -> float:
    return metrics.trace_spans.labels("lost")._value.get()


async def test_what_the_queue_has_no_room_for_is_counted_and_costs_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(otlp, "QUEUE", 10)
    monkeypatch.setattr(otlp, "PAUSE_SECONDS", 60)
    ours = Collector("http://127.0.0.1:9/v1/traces", process="api")
    before = lost()
    for _ in range(25):
        ours.take(new_span())
    assert lost() - before == 15
    await asyncio.to_thread(ours.close)
    assert lost() - before == 25


async def test_headers_and_the_service_are_as_opentelemetrys_variables_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=stage%20one")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20x")
    async with collector.Collector() as theirs:
        ours = Collector(f"{theirs.endpoint}/v1/traces", process="api")
        assert ours._resource["deployment.environment.name"] == "stage one"
        assert ours._headers["authorization"] == "Bearer x"
        ours.take(new_span())
        await asyncio.to_thread(ours.close)
        assert [span.name for span in theirs.spans] == ["x"]


async def test_a_collector_that_comes_back_is_found_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(otlp, "PAUSE_SECONDS", 0.02)
    async with collector.Collector() as theirs:
        theirs.refuses = True
        ours = Collector(f"{theirs.endpoint}/v1/traces", process="api")
        for refuses in (True, False):
            theirs.refuses = refuses
            asked = theirs.asked
            for _ in range(3):
                ours.take(new_span())
                async with asyncio.timeout(10):
                    while theirs.asked == asked:  # noqa: ASYNC110 - another thread's work
                        await asyncio.sleep(0.01)
                asked = theirs.asked
        await asyncio.to_thread(ours.close)
    assert len(theirs.spans) == 3
    said = [record.getMessage() for record in caplog.records if "traces" in record.getMessage()]
    assert [each.split(",")[0] for each in said] == [
        "traces cannot be delivered",
        "traces are delivered again",
    ]


async def test_one_that_hangs_does_not_keep_the_server_from_stopping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(otlp, "FLUSH_SECONDS", 0.1)
    async with collector.Collector() as theirs:
        theirs.hangs = True
        ours = Collector(f"{theirs.endpoint}/v1/traces", process="api")
        ours.take(new_span())
        started = time.monotonic()
        await asyncio.to_thread(ours.close)
        assert time.monotonic() - started < otlp.TIMEOUT_SECONDS / 2
