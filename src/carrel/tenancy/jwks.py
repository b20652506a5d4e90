"""The keys that an issuer publishes (JWKS, RFC 7517), fetched when they are needed.

Keys are refreshed in the background, so that a request waits only for the first
fetch and for a key id that is new. An issuer that is down costs nothing until
`STALE_SECONDS`; a flood of invented key ids costs it one request in `PAUSE_SECONDS`.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from typing import Any

import aiohttp
import msgspec

from carrel.domain.errors import Unavailable
from carrel.tenancy.jwt_keys import UnusableKey, VerifyingKey, from_jwk
from carrel.tenancy.sharing import Sharing

REFRESH_SECONDS = 300.0
STALE_SECONDS = 86_400.0
PAUSE_SECONDS = 10.0
TIMEOUT_SECONDS = 5.0
MAX_BYTES = 512 * 1024
MAX_KEYS = 100

log = logging.getLogger(__name__)


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


class PublishedKeys:
    """The keys at *url*, of those that may verify by one of *algorithms* (none named: any)."""

    def __init__(self, url: str, algorithms: Collection[str] = ()) -> None:
        self._url = url
        self._algorithms = frozenset(algorithms)
        self._keys: list[tuple[str | None, VerifyingKey]] = []
        self._fetched_at = -STALE_SECONDS
        self._tried_at = -PAUSE_SECONDS
        self._fetches: Sharing[None, None] = Sharing()
        self._background: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def find(self, key_id: str | None, algorithm: str) -> VerifyingKey | None:
        """The key of that id which may verify by *algorithm*; without an id, the only one.

        Raises:
            Unavailable: no keys were fetched in the last day, and none can be now.
        """
        age = time.monotonic() - self._fetched_at
        if age < STALE_SECONDS and (found := self._known(key_id, algorithm)):
            if age > REFRESH_SECONDS and self._may_fetch:
                self._background = asyncio.create_task(self._fetch())
            return found
        if self._may_fetch or self._fetches.is_running(None):
            await self._fetch()
        if time.monotonic() - self._fetched_at >= STALE_SECONDS:
            raise Unavailable(
                "the token issuer's keys can't be fetched", retry_after_seconds=int(PAUSE_SECONDS)
            )
        return self._known(key_id, algorithm)

    async def close(self) -> None:
        await self._fetches.close()
        if self._background is not None:
            await asyncio.gather(self._background, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    @property
    def _may_fetch(self) -> bool:
        return time.monotonic() - self._tried_at >= PAUSE_SECONDS

    def _known(self, key_id: str | None, algorithm: str) -> VerifyingKey | None:
        fitting = [
            key
            for each, key in self._keys
            if algorithm in key.algorithms and key_id in (None, each)
        ]
        return fitting[0] if len(fitting) == 1 or (fitting and key_id is not None) else None

    async def _fetch(self) -> None:
        await self._fetches.run(None, self._fetch_now)

    async def _fetch_now(self) -> None:
        self._tried_at = time.monotonic()
        try:
            keys = _parse(await self._download(), self._algorithms)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            log.warning(
                "the token issuer's keys can't be fetched",
                extra={"carrel": {"url": self._url, "error": str(error) or type(error).__name__}},
            )
            return
        self._keys, self._fetched_at = keys, time.monotonic()

    async def _download(self) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS), trust_env=True
            )
        # A redirect could lead from TLS to plain HTTP: the URL that is set is the one that counts.
        async with self._session.get(self._url, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            body = b""
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > MAX_BYTES:
                    raise ValueError(f"more than {MAX_BYTES:,} bytes")
            return body


def _parse(body: bytes, algorithms: frozenset[str]) -> list[tuple[str | None, VerifyingKey]]:
    try:
        published = msgspec.json.decode(body, type=_KeySet).keys
    except msgspec.DecodeError as error:
        raise ValueError("no key set") from error
    keys: list[tuple[str | None, VerifyingKey]] = []
    for jwk in published[:MAX_KEYS]:
        try:
            keys.append((jwk.get("kid"), from_jwk(jwk, algorithms)))
        except (UnusableKey, TypeError):
            continue  # sets hold keys for other purposes, too
    if not keys:
        raise ValueError("no key that can verify tokens")
    return keys
