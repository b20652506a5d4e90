"""One Qdrant server: its client, how long it is waited for, and whether it is new enough.

Nothing is asked of it but through `asking`: in time, with its failures as ours, and not at
all while it does not answer.
"""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from qdrant_client import AsyncQdrantClient

from carrel.domain.errors import CarrelError
from carrel.remote.breaker import Breaker
from carrel.vectors.server.failures import Unreachable, translated

# Older servers ignore the condition of an upsert, without a word.
CONDITIONAL_UPSERTS = (1, 16)
# Older servers ignore the corpus of an IDF, without a word.
TENANT_IDF = (1, 19)


class IncompatibleServer(CarrelError):
    """The server, or the collection on it, can't be used; the message says what to do."""


class Connection:
    """The server behind *client*, with a breaker of its own; timeouts are for one request."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        *,
        read_timeout_seconds: float,
        write_timeout_seconds: float,
    ) -> None:
        self.read_timeout_seconds = read_timeout_seconds
        self.write_timeout_seconds = write_timeout_seconds
        self._client = client
        self._breaker = Breaker(counted_as="qdrant")
        self._version: tuple[int, int] | None = None

    @property
    def tenant_idf(self) -> bool:
        """Whether the server computes IDF over one tenant alone; False until it was asked."""
        return self._version is not None and self._version >= TENANT_IDF

    @property
    def read_timeout(self) -> int:
        """What the server is told: whole seconds, so that it doesn't work on in vain."""
        return math.ceil(self.read_timeout_seconds)

    @asynccontextmanager
    async def asking(self, seconds: float) -> AsyncGenerator[AsyncQdrantClient]:
        """The client, for requests that take *seconds* at most together.

        Raises:
            Unavailable: the server does not answer, or did not when last it was asked.
        """
        with self._breaker.watching(Unreachable):
            async with translated(seconds):
                yield self._client

    async def check_version(self) -> None:
        """Ask the server for its version, once. To be called while `asking`.

        Raises:
            IncompatibleServer: it is too old.
        """
        if self._version is None:
            version = await server_version(self._client)
            if version < CONDITIONAL_UPSERTS:
                raise IncompatibleServer(
                    f"Qdrant {_dotted(version)} ignores conditional upserts, so one tenant could "
                    f"overwrite another's points: use {_dotted(CONDITIONAL_UPSERTS)} or later, "
                    f"{_dotted(TENANT_IDF)} for keyword search"
                )
            self._version = version

    async def close(self) -> None:
        self._breaker.close()
        await self._client.close()


async def server_version(client: AsyncQdrantClient) -> tuple[int, int]:
    """Major and minor version. A cluster is as new as its oldest node, which may be another."""
    major, minor, *_ = (await client.info()).version.split(".")
    return int(major), int(minor)


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
