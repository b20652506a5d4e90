"""What surrounds every request: its id, its metrics, its log line, and the last net for errors.

Pure ASGI: nothing here touches a streamed body.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from carrel.api import allowances
from carrel.api.errors import CLIENT_LEFT, error_response
from carrel.api.leaving import is_cut, stopping
from carrel.domain.errors import NotFound, TooLarge
from carrel.domain.ids import new_id
from carrel.telemetry import metrics, trace
from carrel.telemetry.log import write

log = logging.getLogger(__name__)
REFUSED, FAILED = 400, 500
_NOTED = ("request_id", "method", "route", "status", "error", "tenant_id", "ms")
_QUIET = frozenset({"/livez", "/readyz", "/metrics"})


class RequestContext:
    """Gives each request an id, measures it, and turns an unforeseen error into a 500.

    A body of more than *max_body_bytes* is refused while it is read.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await _Exchange(scope, receive, send, self._max_body_bytes).run(self._app)


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, max_body_bytes: int) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._left = max_body_bytes
        self._limit = max_body_bytes
        self._started = time.perf_counter()
        self._status = 0
        self._whole = False
        self.request_id = new_id("req")
        scope.setdefault("state", {})["request_id"] = self.request_id
        self._span = _span_of(scope) if trace.is_on() else None

    async def run(self, app: ASGIApp) -> None:
        try:
            if "\0" in self._scope["path"]:  # no id has one, and not every database takes it
                raise NotFound("no such route")
            await app(self._scope, self._limited, self._identified)
        except Exception as error:  # noqa: BLE001 - the last net: nothing of it is shown
            if "error" in self._scope["state"]:  # it was said, and sent where it could be
                return
            response = error_response(error, Request(self._scope))
            if not self._status:
                await response(self._scope, self._limited, self._identified)
        except asyncio.CancelledError:
            if self._status or not is_cut(self._scope):
                raise
            response = error_response(stopping("ask again"), Request(self._scope))
            await response(self._scope, self._limited, self._identified)
        finally:
            if ticket := self._scope["state"].get("ticket"):
                await ticket.leave()
            self._account()

    async def _limited(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise TooLarge(f"the request has more than {self._limit:,} bytes")
        return message

    async def _identified(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = list(message.get("headers", []))
            headers.append((b"x-request-id", self.request_id.encode()))
            state = self._scope["state"]
            if ticket := state.get("ticket"):
                headers += allowances.headers(ticket)
            if state.get("is_session") and not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._whole = True

    def _account(self) -> None:
        seconds = time.perf_counter() - self._started
        # Set by the framework, or by who answered before it.
        route = self._scope["state"].get("route") or getattr(
            self._scope.get("route"), "path", "none"
        )
        status = self._status or CLIENT_LEFT
        metrics.requests.labels(route, self._scope["method"], str(status)).inc()
        metrics.request_seconds.labels(route).observe(seconds)
        if route not in _QUIET:
            fields = self._fields(route, status, seconds)
            write(log, "request", fields)
            if status >= FAILED or (status < REFUSED and "error" in fields):
                self._note(fields)
            if self._span and self._span.sampled:
                self._end(self._span, fields)

    def _note(self, fields: dict[str, Any]) -> None:
        """Tell who looks after the server."""
        app = self._scope.get("app")
        if services := getattr(getattr(app, "state", None), "services", None):
            failure = {name: fields.get(name) for name in _NOTED}
            services.failures.note({"at": datetime.now(UTC).isoformat(), **failure})

    def _end(self, span: trace.Span, fields: dict[str, Any]) -> None:
        """End the request's span: what its log line says, under OpenTelemetry's names or ours."""
        method, route, status = fields.pop("method"), fields.pop("route"), fields.pop("status")
        span.name = f"{method} {route}"
        span.put(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                **{f"carrel.{name}": value for name, value in fields.items()},
            }
        )
        if status >= 500:
            span.fault = str(status)
        span.end()

    def _fields(self, route: str, status: int, seconds: float) -> dict[str, Any]:
        """The request's log line: what is known of it, however it ended."""
        state = self._scope["state"]
        fields = {
            "request_id": self.request_id,
            "method": self._scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
            **state.get("log", {}),
        }
        if error := state.get("error"):
            fields["error"] = error
        if self._status and not self._whole:
            fields["cut_off"] = True
        if stages := state.get("stages"):
            fields |= stages.facts
            for stage, spent in stages.milliseconds.items():
                fields[f"{stage}_ms"] = round(spent, 1)
        return fields


def _span_of(scope: Scope) -> trace.Span | None:
    """The span of a request, part of the caller's trace if it has one."""
    if scope["path"] in _QUIET:
        return None
    parent = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
    return trace.begin(scope["method"], "server", parent.decode("latin-1"))
