"""One address of another service that takes and gives JSON, asked within a deadline.

Failures that may pass are tried again, within the deadline and the budget of
retries; all others are told at once. No message names a host or a key, for it may
reach any tenant's user; the log has the rest.
"""

import asyncio
import itertools
import logging
from typing import NamedTuple

import aiohttp

from carrel import __version__
from carrel.domain.errors import CarrelError, Unavailable
from carrel.remote.breaker import Breaker
from carrel.remote.retrying import ATTEMPTS, RetryBudget, pause_before, requested_wait
from carrel.telemetry import trace

log = logging.getLogger(__name__)

KEEPALIVE_SECONDS = 30.0
LOGGED_BYTES = 500
OPERATOR_RETRY_AFTER_SECONDS = 30
# Sent again: the service is busy or was cut off. 501 and its like stay as they are.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class Refused(CarrelError):
    """The service will not have this request, now or later; `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _Gone(Unavailable):
    """No answer, after all tries."""


class _Failure(NamedTuple):
    said: str
    retry_after_seconds: int | None = None
    cause: Exception | None = None


class Service:
    """Posts to *url*. *name* is what people are told that it is: "the embedding service".

    *metric* is what metrics call it.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        metric: str,
        api_key: str | None,
        connect_timeout_seconds: float,
        max_connections: int,
    ) -> None:
        self._url = url
        self._name = name
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"carrel/{__version__}",
        }
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._connect_timeout_seconds = connect_timeout_seconds
        self._max_connections = max_connections
        self._budget = RetryBudget()
        self._breaker = Breaker(counted_as=metric)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def post(self, body: bytes, *, timeout_seconds: float) -> bytes:
        """The body of the answer to *body*, within *timeout_seconds*, retries included.

        Raises:
            Unavailable: not reached, busy, failing, too slow, or rejecting the credentials.
            Refused: it will not have this request.
        """
        with self._breaker.watching(_Gone):
            return await self._within(body, timeout_seconds)

    async def close(self) -> None:
        """Release the connections; requests under way fail."""
        self._closed = True
        self._breaker.close()
        if self._session is not None:
            await self._session.close()

    async def _within(self, body: bytes, timeout_seconds: float) -> bytes:
        self._budget.earn()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        for attempt in itertools.count(1):
            answer = await self._once(body, deadline, timeout_seconds)
            if isinstance(answer, bytes):
                return answer
            pause = pause_before(attempt + 1, answer.retry_after_seconds)
            # A pause that the service asked for and nobody has time for is the caller's to make.
            in_time = attempt < ATTEMPTS and loop.time() + pause < deadline
            if not (in_time and self._budget.spend()):
                raise _Gone(
                    answer.said, retry_after_seconds=answer.retry_after_seconds or 1
                ) from answer.cause
            await asyncio.sleep(pause)
        raise AssertionError("the loop ends by itself")

    async def _once(self, body: bytes, deadline: float, allowed_seconds: float) -> bytes | _Failure:
        """The answer, or a failure that may pass."""
        try:
            async with (
                asyncio.timeout_at(deadline),
                # A redirect is not followed: it would take texts and key where nobody sent them.
                self._open().post(
                    self._url, data=body, headers=trace.headers(), allow_redirects=False
                ) as response,
            ):
                raw = await response.read()
                return raw if response.status == 200 else self._verdict(response, raw)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise Unavailable(
                f"{self._name} has an address that is none: the operator must check it",
                retry_after_seconds=OPERATOR_RETRY_AFTER_SECONDS,
            ) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return _Failure(f"{self._name} cannot be reached: try again", cause=error)
        except TimeoutError as error:
            said = f"{self._name} did not answer within {allowed_seconds:g} s: try again"
            return _Failure(said, cause=error)
        except (aiohttp.ClientError, OSError) as error:
            return _Failure(f"the connection to {self._name} broke: try again", cause=error)

    def _verdict(self, response: aiohttp.ClientResponse, raw: bytes) -> _Failure:
        """What an answer other than 200 means; raises where another try would be no use."""
        status = response.status
        if status in _PASSING:
            wait = requested_wait(response.headers)
            said = "is limiting requests" if status == 429 else f"failed (HTTP {status})"
            return _Failure(f"{self._name} {said}: try again", wait)
        log.warning("%s answered HTTP %d: %s", self._name, status, _shown(raw))
        if status in {400, 413, 422}:
            raise Refused(f"{self._name} refused the request (HTTP {status})", status)
        what = {401: "key", 403: "key", 404: "address and model"}.get(status, "address")
        raise Unavailable(
            f"{self._name} answered HTTP {status}: the operator must check its {what}",
            retry_after_seconds=OPERATOR_RETRY_AFTER_SECONDS,
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise Unavailable("the server is stopping: try again in a moment")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._max_connections, keepalive_timeout=KEEPALIVE_SECONDS
                ),
                headers=self._headers,
                # Connections are shared by all tenants: a cookie would tie their requests together.
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self._connect_timeout_seconds
                ),
            )
        return self._session


def _shown(raw: bytes) -> str:
    return " ".join(raw[:LOGGED_BYTES].decode("utf-8", "replace").split())
