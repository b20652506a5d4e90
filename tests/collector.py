"""A collector of traces, as OpenTelemetry's exporters know one: OTLP over HTTP, in protobuf."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1 import trace_pb2
from tests.acceptance.server import free_port


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it arrived; ids are hex, *process* is the one that made it."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    started_ns: int
    ended_ns: int
    attributes: dict[str, Any]
    events: list[str]
    failed: bool
    process: str


@dataclass
class Collector:
    """Keeps every span that it is sent. While *refuses*, it answers 503; *hangs*: nothing."""

    port: int = field(default_factory=free_port)
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    asked: int = 0
    refuses: bool = False
    hangs: bool = False

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "Collector":
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def trace(self, trace_id: str, *names: str) -> list[Span]:
        """The spans of a trace, once all of these *names* are among them."""
        async with asyncio.timeout(20):
            while True:
                found = [span for span in self.spans if span.trace_id == trace_id]
                if {*names} <= {span.name for span in found}:
                    return found
                await asyncio.sleep(0.02)

    async def _take(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(600)
        if self.refuses:
            return web.Response(status=503)
        assert request.content_type == "application/x-protobuf"
        body = await request.read()
        self.bodies.append(body)
        for each in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _plain(each.resource.attributes)
            assert resource["service.name"] == "carrel"
            for scope in each.scope_spans:
                self.spans += [_span(span, resource["carrel.process"]) for span in scope.spans]
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(),
            content_type="application/x-protobuf",
        )


def tree(spans: list[Span]) -> dict[str, Any]:
    """The names of *spans*, each with those of its children, in the order they began.

    Several of one name and parent are one. A span whose parent is not among them is a root.
    """
    known = {span.span_id for span in spans}
    ordered = sorted(spans, key=lambda span: span.started_ns)

    def below(parent_ids: set[str]) -> dict[str, Any]:
        children: dict[str, set[str]] = {}
        for span in ordered:
            if span.parent_id in parent_ids:
                children.setdefault(span.name, set()).add(span.span_id)
        return {name: below(ids) for name, ids in children.items()}

    return below({"", *(span.parent_id for span in ordered if span.parent_id not in known)})


def _span(span: trace_pb2.Span, process: str) -> Span:
    return Span(
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        started_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        attributes=_plain(span.attributes),
        events=[event.name for event in span.events],
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        process=process,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    if value.HasField("array_value"):
        return [_value(each) for each in value.array_value.values]
    return getattr(value, value.WhichOneof("value"))
