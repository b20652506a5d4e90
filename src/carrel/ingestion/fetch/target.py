"""URLs that may be fetched, and the addresses that they lead to.

A URL is read once, by the library that will open the connection, and its name is
resolved once: the address that was judged is the address that is connected to.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING

from carrel.domain.errors import InvalidRequest
from carrel.ingestion.fetch.address import Address, Network, is_allowed
from carrel.ingestion.fetch.failure import FetchFailed, FetchRefused

if TYPE_CHECKING:
    from yarl import URL

MAX_URL = 2000
_PORTS = {80, 443}
_FIRST_FREE_PORT = 1024  # below it listen mail, DNS, directories: no documents
_AUTHORITY = re.compile(r"[^/]*//([^/?#]*).*", re.DOTALL)
_NUMERIC = re.compile(r"(?:\d+|0[xX][0-9a-fA-F]*)\Z")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, and the addresses of its host that may be connected to."""

    url: "URL"
    host: str
    port: int
    addresses: tuple[Address, ...]


def check_url(text: str) -> "URL":
    """The URL that *text* spells, if it is one that might be fetched; nothing is resolved.

    Raises:
        InvalidRequest: it can't be; the message says why.
    """
    try:
        return _checked(text)
    except FetchRefused as refused:
        raise InvalidRequest(refused.reason, param="url") from None


async def find_target(text: str, allowed: Sequence[Network], resolve: Resolve) -> Target:
    """Where *text* leads.

    Raises:
        FetchRefused: it is not a URL to be fetched, or leads to an address that is not public.
        FetchFailed: its host has no address now.
    """
    url = _checked(text)
    host = url.raw_host or ""
    port = url.port or 0
    literal = _literal(host)
    if literal is not None:
        addresses = (literal,)
    else:
        try:
            addresses = tuple(ip_address(found) for found in await resolve(host, port))
        except OSError:
            raise FetchFailed(f"the host {host} is not known") from None
    if not addresses:
        raise FetchFailed(f"the host {host} has no address")
    # Of several addresses none may be private: whoever runs the name could choose among them.
    if not all(is_allowed(each, allowed) for each in addresses):
        raise FetchRefused(f"the host {host} is not on the public internet")
    return Target(url, host, port, addresses)


async def resolve_by_system(host: str, port: int) -> list[str]:
    """The addresses of *host*, as this machine's resolver knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _checked(text: str) -> "URL":
    from yarl import URL

    if not 0 < len(text) <= MAX_URL:
        raise FetchRefused(f"a URL has 1 to {MAX_URL} characters")
    if any(character <= " " or character in "\\\x7f" for character in text):
        raise FetchRefused("a URL holds no blanks, backslashes and control characters")
    try:
        url = URL(text)
        host, port = url.raw_host, url.port
    except ValueError:
        raise FetchRefused("that is not a URL") from None
    if url.scheme not in ("http", "https") or not host:
        raise FetchRefused("only http:// and https:// can be fetched")
    # As written, too: the library drops an empty user.
    if url.raw_user is not None or "@" in _AUTHORITY.sub(r"\1", text):
        raise FetchRefused("a URL with a user or a password in it is not fetched")
    if port is None or (port not in _PORTS and port < _FIRST_FREE_PORT):
        raise FetchRefused(f"port {port} is not fetched from")
    if "%" in host:
        raise FetchRefused("an address with a zone is not fetched from")
    last = host.rstrip(".").rpartition(".")[2]
    if _NUMERIC.match(last) and not _is_plain(host):
        # 2130706433, 0x7f.1, 127.1 and 0177.0.0.1 are 127.0.0.1 to a resolver.
        raise FetchRefused("an IP address is written as four decimal numbers")
    return url


def _is_plain(host: str) -> bool:
    try:
        return str(IPv4Address(host)) == host
    except ValueError:
        return False


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
