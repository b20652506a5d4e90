"""Originals: the uploaded files, as they came, in a folder per tenant.

A file is complete and on disk before its name exists: it is written under a
temporary name, synced, and renamed. Names are made by the server, so nothing a
client sends becomes part of a path.
"""

import asyncio
import contextlib
import errno
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from carrel.domain.errors import InvalidRequest, StorageFull, TooLarge
from carrel.domain.ids import TenantId, new_id


@dataclass(frozen=True, slots=True)
class Original:
    """A stored file: its name in the tenant's folder, its size in bytes, its SHA-256."""

    name: str
    size: int
    sha256: str


class Originals:
    """The folder of all tenants' originals."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def path(self, tenant_id: TenantId, name: str) -> Path:
        return self._folder / tenant_id / name

    async def store(self, tenant_id: TenantId, pieces: AsyncIterable[bytes]) -> Original:
        """Keep a file durably.

        Raises:
            InvalidRequest: the file is empty.
            TooLarge: it is larger than is accepted; nothing is kept.
            StorageFull: the disk is full; nothing is kept.
        """
        name = new_id("org")
        target = self.path(tenant_id, name)
        partial = target.with_suffix(".partial")
        try:
            await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
            size, digest = await self._write(partial, pieces)
            await asyncio.to_thread(_complete, partial, target)
        except BaseException as error:
            await asyncio.to_thread(partial.unlink, missing_ok=True)
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull("the disk for uploads is full; nothing was stored") from error
            raise
        return Original(name, size, digest)

    async def head(self, tenant_id: TenantId, name: str, size: int) -> bytes:
        """The file's first *size* bytes, or all there are."""

        def read() -> bytes:
            with self.path(tenant_id, name).open("rb") as file:
                return file.read(size)

        return await asyncio.to_thread(read)

    async def remove(self, tenant_id: TenantId, name: str) -> None:
        await asyncio.to_thread(self.path(tenant_id, name).unlink, missing_ok=True)

    async def remove_all(self, tenant_id: TenantId) -> None:
        """Delete the tenant's folder."""
        await asyncio.to_thread(shutil.rmtree, self._folder / tenant_id, ignore_errors=True)

    async def tenants(self) -> list[TenantId]:
        """Every tenant that has a folder."""
        return await asyncio.to_thread(lambda: [TenantId(name) for name in _entries(self._folder)])

    async def names(self, tenant_id: TenantId, *, older_than_seconds: float = 0) -> set[str]:
        """The tenant's files, unfinished ones included, that are at least so old."""
        folder = self._folder / tenant_id
        return await asyncio.to_thread(_names, folder, time.time() - older_than_seconds)

    async def _write(self, path: Path, pieces: AsyncIterable[bytes]) -> tuple[int, str]:
        digest = hashlib.sha256()
        size = 0
        file = await asyncio.to_thread(path.open, "wb")
        try:
            async for piece in pieces:
                size += len(piece)
                if size > self._max_bytes:
                    raise TooLarge(
                        f"the file is larger than {self._max_bytes:,} bytes", param="file"
                    )
                digest.update(piece)
                await asyncio.to_thread(file.write, piece)
            if size == 0:
                raise InvalidRequest("the file is empty", param="file")
            await asyncio.to_thread(_sync, file)
        finally:
            await asyncio.to_thread(file.close)
        return size, digest.hexdigest()


def _entries(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        return []


def _names(folder: Path, latest: float) -> set[str]:
    found: set[str] = set()
    for name in _entries(folder):
        with contextlib.suppress(FileNotFoundError):  # just now given its final name
            if (folder / name).stat().st_mtime <= latest:
                found.add(name)
    return found


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _complete(partial: Path, target: Path) -> None:
    partial.rename(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
