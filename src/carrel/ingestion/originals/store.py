"""Originals: the uploaded files, as they came, each under its tenant.

`store` returns once the file would outlive this machine's power, or never does:
a file that is cut short, too large or empty leaves nothing. Names are made by the
server, so nothing a client sends becomes part of a path or a key.
"""

from collections.abc import AsyncIterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from carrel.domain.ids import TenantId


@dataclass(frozen=True, slots=True)
class Original:
    """A stored file: its name among the tenant's, size in bytes, SHA-256, first bytes.

    `head` is as much as `detect` makes use of.
    """

    name: str
    size: int
    sha256: str
    head: bytes


class Originals(Protocol):
    """The originals of all tenants. Every method may raise `Unavailable`."""

    async def store(self, tenant_id: TenantId, pieces: AsyncIterable[bytes]) -> Original:
        """Keep a file durably.

        Raises:
            InvalidRequest: the file is empty.
            TooLarge: it is larger than is accepted; nothing is kept.
            StorageFull: there is no room; nothing is kept.
        """
        ...

    def local(self, tenant_id: TenantId, name: str) -> AbstractAsyncContextManager[Path]:
        """The file on this machine's disk, for as long as the block lasts.

        Raises:
            OriginalMissing: there is no such file.
        """
        ...

    async def remove(self, tenant_id: TenantId, name: str) -> None:
        """Delete the file, if it is there."""
        ...

    async def remove_all(self, tenant_id: TenantId) -> None:
        """Delete every file of the tenant."""
        ...

    async def tenants(self) -> list[TenantId]:
        """Every tenant that has files, or had some."""
        ...

    async def names(self, tenant_id: TenantId, *, older_than_seconds: float = 0) -> set[str]:
        """The tenant's files, unfinished ones included, that are at least so old."""
        ...

    async def remove_leftovers(self, *, older_than_seconds: float) -> None:
        """Delete what killed processes left on this machine's disk beside the files."""
        ...


class OriginalMissing(Exception):
    """A file that the database names is not in the storage."""
