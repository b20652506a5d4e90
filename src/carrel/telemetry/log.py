"""Logging to standard error: lines for people, or JSON for machines.

No log line holds a secret or the text of a document, question or answer, but where
a tenant asked for that. So an exception is logged as its types and places, without
its words: those of a library may quote what it was given.
"""

import contextlib
import json
import logging
import sys
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, TextIO

from carrel.telemetry import trace

EXTRA = "carrel"
# They are told what to do with content and credentials, and say so when at DEBUG.
_CHATTY = ("uvicorn.access", "asyncio", "alembic", "python_multipart", "httpx", "httpcore", "grpc")


class JsonFormatter(logging.Formatter):
    """One JSON object a line; fields given as `extra={"carrel": {…}}` are part of it."""

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, object] = getattr(record, EXTRA, {})
        if record.exc_info:
            fields = {**fields, "error": described(record.exc_info[1])}
        return self.line(record.created, record.levelname, record.name, record.getMessage(), fields)

    def line(
        self, at: float, level: str, logger: str, message: str, fields: Mapping[str, object]
    ) -> str:
        """One line, without its end; *at* in seconds since the epoch."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
            "level": level.lower(),
            "logger": logger,
            "message": message,
            **fields,
        }
        if trace_id := trace.trace_id():
            line["trace_id"] = trace_id
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """`12:34:56 INFO message key=value …`; *source* comes before each message."""

    def __init__(self, source: str = "") -> None:
        super().__init__()
        self._source = source

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, object] = getattr(record, EXTRA, {})
        line = self.line(record.created, record.levelname, record.name, record.getMessage(), fields)
        return f"{line}\n{described(record.exc_info[1])}" if record.exc_info else line

    def line(
        self, at: float, level: str, logger: str, message: str, fields: Mapping[str, object]
    ) -> str:
        """One line, without its end; *at* in seconds since the epoch."""
        shown = "".join([f" {key}={value}" for key, value in fields.items()])
        if trace_id := trace.trace_id():
            shown += f" trace_id={trace_id}"
        return f"{_clock(int(at))} {level:<7} {self._source}{message}{shown}"


@lru_cache(maxsize=2)
def _clock(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def write(logger: logging.Logger, message: str, fields: Mapping[str, object]) -> None:
    """A line at level INFO, as `logger.info` writes it, in a third of the time: for each request.

    What no line shows, such as where in the code it was written, is not worked out.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    if isinstance(handler := _only_handler(), _ToStderr):
        handler.write(handler.lines.line(time.time(), "INFO", logger.name, message, fields))
        return
    record = logging.LogRecord(logger.name, logging.INFO, "", 0, message, None, None)
    setattr(record, EXTRA, fields)
    logger.handle(record)


class _ToStderr(logging.StreamHandler[TextIO]):
    """Where log lines go; *lines* makes them."""

    def __init__(self, lines: JsonFormatter | TextFormatter) -> None:
        super().__init__(sys.stderr)
        self.lines = lines
        self.setFormatter(lines)

    def write(self, line: str) -> None:
        with self.lock or contextlib.nullcontext():
            self.stream.write(line + self.terminator)
            self.flush()


def _only_handler() -> logging.Handler | None:
    handlers = logging.root.handlers
    return handlers[0] if len(handlers) == 1 else None


def described(error: BaseException | None) -> str:
    """The traceback of *error* and of its causes, oldest first, with types in place of messages."""
    chain: list[str] = []
    while error is not None and len(chain) < 10:
        frames = "".join(traceback.format_tb(error.__traceback__))
        chain.append(f"{frames}{type(error).__module__}.{type(error).__qualname__}{_number(error)}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n— led to —\n".join(reversed(chain))


def _number(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f" [errno {error.errno}]"
    return ""


def configure_logging(level: str, style: Literal["text", "json"]) -> None:
    """Send every log line to standard error."""
    # What no line shows is not worked out for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = _ToStderr(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
