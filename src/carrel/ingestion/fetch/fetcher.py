"""Fetching a document from a URL that a tenant named, without becoming the tenant's proxy.

Each hop is judged anew and connected to at the very address that was judged. No
credential, cookie or proxy of this machine goes along, and nothing is unpacked.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from carrel.ingestion.fetch.address import Network
from carrel.ingestion.fetch.failure import FetchFailed, FetchRefused
from carrel.ingestion.fetch.target import Resolve, Target, find_target, resolve_by_system

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from aiohttp.abc import AbstractResolver

_REDIRECTS = 5
_PIECE = 64 * 1024
_CONNECT_SECONDS = 10
_HEADERS = {"user-agent": "Carrel", "accept": "*/*", "accept-encoding": "identity"}
_MOVED = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document on its way: what the server calls it, and its bytes."""

    media_type: str
    filename: str
    pieces: AsyncIterator[bytes]


class Fetcher:
    """Fetches up to *max_bytes* within *timeout_seconds*, redirects included.

    From *networks* it fetches, too, although they are not public.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        timeout_seconds: float,
        networks: Sequence[Network] = (),
        resolve: Resolve = resolve_by_system,
    ) -> None:
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._networks = tuple(networks)
        self._resolve = resolve

    @contextlib.asynccontextmanager
    async def fetch(self, url: str) -> AsyncGenerator[Fetched]:
        """The document at *url*, to be read within the block.

        Raises:
            FetchRefused: it must not be fetched, or is not there; trying again is of no use.
            FetchFailed: the server does not answer, or not well; another time it may.
        """
        import aiohttp

        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                contextlib.AsyncExitStack() as stack,
            ):
                response = await self._follow(url, stack)
                self._check(response)
                yield Fetched(
                    media_type=response.headers.get("content-type", ""),
                    filename=response.url.name,
                    pieces=response.content.iter_chunked(_PIECE),
                )
        except TimeoutError:
            seconds = f"{self._timeout_seconds:g}"
            raise FetchFailed(f"fetching it takes more than {seconds} seconds") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise FetchFailed(f"its server failed: {type(error).__name__}") from error

    async def _follow(self, url: str, stack: contextlib.AsyncExitStack) -> "ClientResponse":
        """The response at the end of all redirects; closed by the stack."""
        for _ in range(_REDIRECTS + 1):
            target = await find_target(url, self._networks, self._resolve)
            hop = contextlib.AsyncExitStack()
            response = await hop.enter_async_context(self._open(target))
            location = response.headers.get("location")
            if response.status not in _MOVED or location is None:
                stack.push_async_callback(hop.aclose)
                return response
            try:
                following = target.url.join(type(target.url)(location))
            except ValueError:
                raise FetchRefused("it redirects to what is not a URL") from None
            finally:
                await hop.aclose()
            if target.url.scheme == "https" and following.scheme == "http":
                raise FetchRefused("it redirects from https to http")
            url = str(following)
        raise FetchRefused(f"it redirects more than {_REDIRECTS} times")

    @contextlib.asynccontextmanager
    async def _open(self, target: Target) -> AsyncGenerator["ClientResponse"]:
        import aiohttp

        connector = aiohttp.TCPConnector(
            resolver=_pinned(target), use_dns_cache=False, force_close=True, limit=1
        )
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
            ) as session,
            session.get(target.url, headers=_HEADERS, allow_redirects=False) as response,
        ):
            _check_peer(response, target)
            yield response

    def _check(self, response: "ClientResponse") -> None:
        status = response.status
        if status in _PASSING or status >= 500:
            raise FetchFailed(f"its server answered {status}")
        if status != 200:
            raise FetchRefused(f"its server answered {status}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise FetchRefused("its server sent it compressed, which nobody had asked for")
        if (response.content_length or 0) > self._max_bytes:
            raise FetchRefused(f"it is larger than {self._max_bytes:,} bytes")


def _check_peer(response: "ClientResponse", target: Target) -> None:
    """A second look, at whom we are connected to."""
    transport = response.connection.transport if response.connection else None
    peer = transport.get_extra_info("peername") if transport else None
    if peer is not None and ip_address(peer[0]) not in target.addresses:
        raise FetchRefused("the connection leads elsewhere than it should")


def _pinned(target: Target) -> "AbstractResolver":
    """A resolver that knows one host, and its addresses."""
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Pinned(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            if host != target.host:
                raise OSError(f"{host} was not resolved")
            return [
                ResolveResult(
                    hostname=host,
                    host=str(address),
                    port=port,
                    family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
                for address in target.addresses
            ]

        async def close(self) -> None:
            pass

    return Pinned()
