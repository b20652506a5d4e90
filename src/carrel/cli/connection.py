"""One server, one key, and requests to it: sent, repeated when asked to, and decoded.

A request that the server turns away with 429 or 503 and a Retry-After is sent
again after that time, as long as all its waits together stay within
`patience_seconds`; every other error is raised at once.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from carrel.cli.failure import ApiError, Failure, Unreachable, advice
from carrel.cli.wire import ErrorBody, Page

Result = TypeVar("Result")

CONNECT_TIMEOUT_SECONDS = 10.0
SILENCE_TIMEOUT_SECONDS = 60.0  # four times the heartbeat of a stream, twice the longest ?wait=
SHORTEST_WAIT_SECONDS = 0.05
PAGE_SIZE = 100


class Connection:
    """An HTTP session whose failures are all `Failure`s; use it as an async context manager."""

    def __init__(self, url: str, key: str | None = None, *, patience_seconds: float = 10.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise Failure(f"Not an http:// or https:// address: {url}", exit_status=2)
        self.url = url.rstrip("/")
        self._key = (key or "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise Failure("The key holds characters that no key has.", exit_status=2)
        self._patience_seconds = patience_seconds
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(
                total=None, connect=CONNECT_TIMEOUT_SECONDS, sock_read=SILENCE_TIMEOUT_SECONDS
            ),
            headers={"authorization": f"Bearer {self._key}"} if self._key else {},
            connector=aiohttp.TCPConnector(limit=64),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(
        self,
        kind: type[Result],
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        form: Callable[[], aiohttp.FormData] | None = None,
    ) -> Result:
        """The decoded body of a response; *form* builds a fresh form for each try."""
        async with self.open(method, path, json=json, form=form) as response:
            return self.decode(await response.read(), kind)

    async def discard(self, method: str, path: str) -> None:
        """A request whose response says nothing."""
        async with self.open(method, path) as response:
            await response.read()

    async def pages(self, kind: type[Page[Result]], path: str) -> AsyncGenerator[Result]:
        """The items of a list, one request per page, each when its page is reached."""
        after = ""
        joint = "&" if "?" in path else "?"
        while True:
            page = await self.fetch(kind, "GET", f"{path}{joint}limit={PAGE_SIZE}{after}")
            for item in page.data:
                yield item
            if not page.has_more or page.last_id is None:
                return
            after = f"&after={part(page.last_id)}"

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        form: Callable[[], aiohttp.FormData] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """A response of status 2xx, after as many tries as patience allows."""
        deadline = time.monotonic() + self._patience_seconds
        while True:
            # A form is spent by sending it, so each try builds its own.
            data = form() if form else None
            sent = {"json": json, "data": data, "headers": headers}
            async with self.exchange(method, path, **sent) as response:
                if response.ok:
                    yield response
                    return
                error = api_error(response, await response.read())
                wait = error.retry_after_seconds
                final = response.headers.get("x-should-retry") == "false"
                if wait is None or final or time.monotonic() + wait > deadline:
                    raise error
            await asyncio.sleep(wait)

    @asynccontextmanager
    async def exchange(
        self, method: str, path: str, **content: Any
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """One request and its response; the network's errors become `Unreachable`."""
        assert self._session is not None, "use the client as an async context manager"
        try:
            async with self._session.request(method, self.url + path, **content) as response:
                yield response
        except aiohttp.ClientSSLError as error:
            raise Unreachable(f"No trusted TLS connection to {self.url}: {error}") from error
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(
                f"No server answers at {self.url}. Start one with `carrel serve`,"
                " or name another with --url (CARREL_URL)."
            ) from error
        except aiohttp.InvalidURL as error:
            raise Failure(f"Not a valid address: {self.url}", exit_status=2) from error
        except TimeoutError as error:
            raise Unreachable(f"The server at {self.url} did not answer in time.") from error
        except aiohttp.ClientError as error:
            raise Unreachable(f"The connection to {self.url} broke off. Try again.") from error

    def decode(self, body: bytes, kind: type[Result]) -> Result:
        """*body* as *kind*; a body of another shape is a `Failure`."""
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise Failure(
                f"The server at {self.url} answered with something else than Carrel would"
                f" ({error}). Is --url right, and the server of this version?"
            ) from error


def api_error(response: aiohttp.ClientResponse, body: bytes) -> ApiError:
    """The error that *body* holds, or what can be said without it."""
    try:
        detail = msgspec.json.decode(body, type=ErrorBody).error
        code, message, request_id = detail.code or "", detail.message, detail.request_id
    except msgspec.MsgspecError:  # not Carrel's own: a proxy's page, say
        code, message, request_id = f"http_{response.status}", "", None
    wait = _retry_after_seconds(response)
    return ApiError(
        response.status,
        code,
        message or f"The server answered {response.status} {response.reason or ''}".rstrip(),
        request_id or response.headers.get("x-request-id"),
        retry_after_seconds=wait,
        advice=advice(response.url.path, code, wait),
    )


def _retry_after_seconds(response: aiohttp.ClientResponse) -> float | None:
    if response.status not in {429, 503}:
        return None
    try:
        return max(SHORTEST_WAIT_SECONDS, float(response.headers["retry-after"]))
    except (KeyError, ValueError):  # absent, or a date, which Carrel never sends
        return None


def part(text: str, *, safe: str = "") -> str:
    """*text* as one segment of a path or one value of a query; *safe* characters stay."""
    return quote(text, safe=safe)
