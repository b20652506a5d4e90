"""Logging to standard error: lines for people, or JSON for machines.

No log line holds a secret or the text of a document, question or answer, but where
a tenant asked for that. So an exception is logged as its types and places, without
its words: those of a library may quote what it was given.
"""

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from carrel.telemetry import trace

EXTRA = "carrel"
# They are told what to do with content and credentials, and say so when at DEBUG.
_CHATTY = ("uvicorn.access", "asyncio", "alembic", "python_multipart", "httpx", "httpcore", "grpc")


class JsonFormatter(logging.Formatter):
    """One JSON object a line; fields given as `extra={"carrel": {…}}` are part of it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, EXTRA, {}),
        }
        if trace_id := trace.trace_id():
            line["trace_id"] = trace_id
        if record.exc_info:
            line["error"] = described(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """`12:34:56 INFO message key=value …`; *source* comes before each message."""

    def __init__(self, source: str = "") -> None:
        super().__init__()
        self._source = source

    def format(self, record: logging.LogRecord) -> str:
        at = _clock(int(record.created))
        fields = "".join(f" {key}={value}" for key, value in getattr(record, EXTRA, {}).items())
        if trace_id := trace.trace_id():
            fields += f" trace_id={trace_id}"
        line = f"{at} {record.levelname:<7} {self._source}{record.getMessage()}{fields}"
        return f"{line}\n{described(record.exc_info[1])}" if record.exc_info else line


@lru_cache(maxsize=2)
def _clock(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def write(logger: logging.Logger, message: str, fields: Mapping[str, object]) -> None:
    """A line at level INFO, as `logger.info` writes it, in half the time: for each request.

    Where in the code it was written, which takes the other half to find, no line shows.
    """
    if logger.isEnabledFor(logging.INFO):
        record = logging.LogRecord(logger.name, logging.INFO, "", 0, message, None, None)
        setattr(record, EXTRA, fields)
        logger.handle(record)


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
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
