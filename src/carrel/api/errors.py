"""The one table from error codes to HTTP status, and the one shape of an error.

The shape is OpenAI's error object, so that every OpenAI SDK reads it.
"""

import logging
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from carrel.domain.errors import (
    BudgetExhausted,
    CarrelError,
    IsolationViolation,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from carrel.telemetry import metrics

log = logging.getLogger(__name__)

STATUS = {
    "invalid_api_key": 401,
    "insufficient_scope": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "invalid_request": 422,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "internal_error": 500,
    "unavailable": 503,
    "storage_full": 507,
}
CLIENT_LEFT = 499  # nginx's word for it: the client was gone before there was a response
_TYPE = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    503: "server_error",
}


class ClientLeft(Exception):
    """The client closed the connection before there was a response: nobody reads this one."""


def error_body(code: str, message: str, param: str | None, request_id: str) -> dict[str, Any]:
    """The error object."""
    status = STATUS[code]
    kind = _TYPE.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {
        "error": {
            "message": message,
            "type": kind,
            "code": code,
            "param": param,
            "request_id": request_id,
        }
    }


def describe(error: Exception, request: Request) -> dict[str, Any]:
    """The error object of *error*; what nobody foresaw is logged and not shown."""
    request_id: str = request.state.request_id
    request.state.error = error.code if isinstance(error, CarrelError) else "internal_error"
    if isinstance(error, IsolationViolation):
        metrics.isolation_violations.inc()
        log.critical("%s", error.message, extra={"carrel": {"request_id": request_id}})
        return error_body("internal_error", "internal error", None, request_id)
    if isinstance(error, CarrelError):
        return error_body(error.code, error.message, error.param, request_id)
    log.error("unexpected error", exc_info=error, extra={"carrel": {"request_id": request_id}})
    return error_body("internal_error", "internal error", None, request_id)


def error_response(error: Exception, request: Request) -> Response:
    """The response for *error*."""
    if isinstance(error, ClientLeft):
        return Response(status_code=CLIENT_LEFT)
    headers: dict[str, str] = {}
    if isinstance(error, Unavailable | RateLimited):
        headers["retry-after"] = str(error.retry_after_seconds)
    if isinstance(error, BudgetExhausted | QuotaExhausted):
        headers["x-should-retry"] = "false"  # the OpenAI SDKs would, three times
    if isinstance(error, CarrelError) and error.code == "invalid_api_key":
        headers["www-authenticate"] = "Bearer"
    return _json(describe(error, request), headers)


def install(app: FastAPI) -> None:
    """Answer every error of *app* in the one shape."""

    async def carrel_error(request: Request, error: Exception) -> Response:
        return error_response(error, request)

    async def validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        message, param = _first_fault(error)
        request.state.error = "invalid_request"
        return _json(error_body("invalid_request", message, param, request.state.request_id), {})

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = {404: "not_found", 405: "method_not_allowed"}.get(
            error.status_code, "invalid_request"
        )
        request.state.error = code
        message = "no such route" if code == "not_found" else str(error.detail)
        body = error_body(code, message, None, request.state.request_id)
        return _json(body, dict(error.headers or {}))

    app.add_exception_handler(CarrelError, carrel_error)
    app.add_exception_handler(ClientLeft, carrel_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)


def _json(body: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(
        orjson.dumps(body),
        status_code=STATUS[body["error"]["code"]],
        headers=headers,
        media_type="application/json",
    )


def _first_fault(error: RequestValidationError) -> tuple[str, str | None]:
    fault = error.errors()[0]
    path = [str(part) for part in fault["loc"] if part not in ("body", "query", "path", "header")]
    if fault["type"] == "json_invalid":
        return "the body is not valid JSON", None
    message = str(fault["msg"]).removeprefix("Value error, ")
    param = ".".join(path) or None
    return (f"{param}: {message}" if param else message), param
