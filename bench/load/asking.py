"""One user's HTTP client: a connection of its own, as little work as can be, under gevent.

Locust's own clients take so long over a streamed token that they, and not the server, would be
what is measured. This one reads what has come, and looks at the answer once, at its end.
"""

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import orjson

GLANCE_SECONDS = 0.25
DEADLINE_SECONDS = 60.0
_END = b"\r\n0\r\n\r\n"  # of chunks; a header may end in a nought, too


@dataclass(slots=True)
class Reply:
    """What came back: *first* and *total* in seconds since the request, 0 where there was none."""

    status: int = 0
    headers: Mapping[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    body: bytes = b""
    first: float = 0.0
    total: float = 0.0
    left: bool = False


class Connection:
    """A connection that is kept from one question to the next, as browsers and SDKs do."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self._secure = at.scheme == "https"
        self._address = (at.hostname or "", at.port or (443 if self._secure else 80))
        self._socket: Any = None

    def post(
        self,
        path: str,
        body: bytes,
        *,
        key: str,
        content_type: str = "application/json",
        mark: bytes = b"",
        leave_after: float = 0.0,
        watch: bool = True,
    ) -> Reply:
        """Send *body*, read the response; *first* is when *mark* was read.

        A user who does not *watch* looks at what has come four times a second once the first
        token is there. With *leave_after*, that many seconds after it, the connection is closed.

        Raises:
            OSError: no whole response.
        """
        request = (
            f"POST {path} HTTP/1.1\r\nhost: load\r\nauthorization: Bearer {key}\r\n"
            f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body
        fresh = self._socket is None
        try:
            return self._exchange(request, mark, leave_after, watch=watch)
        except (ConnectionError, _ClosedIdle):
            self.close()
            if fresh:
                raise
        except OSError:  # too late: what comes yet must not be taken for the next answer
            self.close()
            raise
        # The server may have closed what was idle; that is no fault.
        try:
            return self._exchange(request, mark, leave_after, watch=watch)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: bytes, mark: bytes, leave_after: float, *, watch: bool) -> Reply:
        began = time.perf_counter()
        if self._socket is None:
            self._socket = self._open()
        self._socket.sendall(request)
        reply, data = Reply(), bytearray()
        ended, length = False, 0  # of head and body together; -1: in chunks
        while not ended:
            part = self._come()
            if not part:
                raise _ClosedIdle("closed") if not data else ConnectionResetError("cut off")
            data += part
            if mark and not reply.first and mark in data:
                reply.first = time.perf_counter() - began
            length = length or _length(data)
            ended = data.endswith(_END) if length < 0 else 0 < length <= len(data)
            if leave_after and reply.first and time.perf_counter() - began > leave_after:
                reply.left = True
                self.close()
                break
            if reply.first and not ended and not watch:
                time.sleep(GLANCE_SECONDS)  # locust has made it gevent's
        reply.total = time.perf_counter() - began
        _take_apart(bytes(data), reply)
        return reply

    def _come(self) -> bytes:
        """All that has come, of which TLS gives a token at a time; waits for the first of it."""
        part: bytes = self._socket.recv(262_144)
        if not (self._secure and part):
            return part
        parts = [part]
        self._socket.settimeout(0.0)
        try:
            while part := self._socket.recv(262_144):
                parts.append(part)
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        finally:
            self._socket.settimeout(DEADLINE_SECONDS)
        return b"".join(parts)

    def _open(self) -> Any:
        opened = socket.create_connection(self._address, timeout=DEADLINE_SECONDS)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _context().wrap_socket(opened) if self._secure else opened


def _length(data: bytearray) -> int:
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return 0
    lines = bytes(data[:head]).lower().split(b"\r\n")
    for line in lines:
        if line.startswith(b"content-length:"):
            return head + 4 + int(line[15:])
    return -1


class _ClosedIdle(OSError):
    """The server closed the connection before it read the request."""


@cache
def _context() -> ssl.SSLContext:
    """One for all users: each would hold half a megabyte of authorities, and take 30 ms to make."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _take_apart(data: bytes, reply: Reply) -> None:
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    reply.status = int(lines[0].split(b" ")[1]) if b" " in lines[0] else 0
    pairs = (line.partition(b":") for line in lines[1:])
    reply.headers = {name.lower(): value.strip() for name, _, value in pairs}
    chunked = reply.headers.get(b"transfer-encoding") == b"chunked"
    reply.body = _joined(body) if chunked else body


def _joined(body: bytes) -> bytes:
    """The content of a chunked body, as far as it has come (RFC 9112, 7.1)."""
    parts: list[bytes] = []
    at = 0
    while (end := body.find(b"\r\n", at)) > 0:
        size = int(body[at:end], 16)
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts)


def event(body: bytes, name: bytes) -> Any:
    """The data of the last event called *name*; None: there is none."""
    start = body.rfind(b"event: " + name + b"\n")
    if start < 0:
        return None
    start = body.index(b"data: ", start) + 6
    end = body.find(b"\n", start)
    return orjson.loads(body[start:end]) if end > 0 else None
