"""The connections to one OpenAI-compatible upstream, and the opening of streams over them.

An opened stream is one the upstream has accepted: HTTP 200, and not a plain
JSON or HTML body. Everything else is a `GenerationFailed` from here.
"""

import asyncio
from collections.abc import Mapping
from math import inf

import aiohttp

from carrel.domain.errors import GenerationFailed
from carrel.generation.completion_stream import (
    CompletionStream,
    Timeouts,
    no_first_token,
    out_of_time,
)
from carrel.generation.upstream_errors import UpstreamErrors, failure
from carrel.telemetry import trace

MAX_ERROR_BODY_BYTES = 16 * 1024
ERROR_BODY_SECONDS = 2.0
KEEPALIVE_SECONDS = 30.0

_NO_CONNECTION = (
    aiohttp.ClientConnectorError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)


class Upstream:
    """Opens streams at *url*, at most *max_connections* at a time."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        timeouts: Timeouts,
        max_connections: int,
        errors: UpstreamErrors,
    ) -> None:
        self._url = url
        self._headers = headers
        self._timeouts = timeouts
        self._max_connections = max_connections
        self._errors = errors
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def open(self, body: bytes, latest: float = inf) -> CompletionStream:
        """Send *body*, and give the stream of the answer, which ends by *latest* (loop's time).

        Raises:
            GenerationFailed: not reached, refused, failed, or silent for too long.
        """
        session = self._open_session()
        deadline = min(asyncio.get_running_loop().time() + self._timeouts.first_token, latest)
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._post(session, body)
        except _NO_CONNECTION as error:
            raise failure(
                "connect",
                "the language model cannot be reached: "
                "the operator must check that it runs, and the LLM's base URL",
            ) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise failure(
                "connect",
                f"no connection to the language model within {self._timeouts.connect:g} s: "
                f"it is down, or all {self._max_connections} connections are in use; try again",
            ) from error
        except TimeoutError as error:
            late = deadline == latest
            raise (out_of_time() if late else no_first_token(self._timeouts)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise failure(
                "upstream_error", "the connection to the language model broke: try again"
            ) from error
        if refused := await self._refusal_in(response):
            raise refused
        return CompletionStream(
            response,
            timeouts=self._timeouts,
            deadline=deadline,
            latest=latest,
            errors=self._errors,
        )

    async def close(self) -> None:
        """Close all connections; streams under way break off."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> aiohttp.ClientResponse:
        # A redirect is not followed: it would take the question, the sources and
        # the key to an address that nobody configured.
        headers = trace.headers()
        try:
            return await session.post(self._url, data=body, headers=headers, allow_redirects=False)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # An idle connection that the upstream closed just as it was taken
            # from the pool. Not one byte of an answer has come, so once more.
            return await session.post(self._url, data=body, headers=headers, allow_redirects=False)

    async def _refusal_in(self, response: aiohttp.ClientResponse) -> GenerationFailed | None:
        if response.status != 200:
            body = await _take_body(response)
            return self._errors.from_status(response.status, response.headers, body)
        if response.content_type in {"application/json", "text/html"}:
            response.close()
            return failure(
                "bad_response",
                f"the language model sent {response.content_type} in place of a stream: "
                "the operator must check the LLM's base URL, and that its server can stream",
            )
        return None

    def _open_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise failure("closed", "the server is stopping: try again in a moment")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._max_connections, keepalive_timeout=KEEPALIVE_SECONDS
                ),
                headers=self._headers,
                # Connections are shared by all tenants: a cookie would tie their requests together.
                cookie_jar=aiohttp.DummyCookieJar(),
                # Reads are timed per answer, by `StallTimer`, and not per read.
                timeout=aiohttp.ClientTimeout(total=None, connect=self._timeouts.connect),
            )
        return self._session


async def _take_body(response: aiohttp.ClientResponse) -> bytes:
    """The start of the body, and the end of the response: one that is over keeps its connection."""
    body = bytearray()
    try:
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            while len(body) < MAX_ERROR_BODY_BYTES and (chunk := await response.content.readany()):
                body += chunk
    except (aiohttp.ClientError, OSError):
        pass  # the status says enough
    finally:
        response.close()
    return bytes(body[:MAX_ERROR_BODY_BYTES])
