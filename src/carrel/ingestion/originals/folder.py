"""Originals in a folder: of this machine, or one that all servers mount.

A file is complete and on disk before its name exists: it is written under a
temporary name, synced, and renamed.
"""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterable
from pathlib import Path

from carrel.domain.ids import TenantId, new_id
from carrel.ingestion.originals.receive import receive
from carrel.ingestion.originals.store import Original, OriginalMissing


class FolderOriginals:
    """A folder for each tenant, in *folder*."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    async def store(self, tenant_id: TenantId, pieces: AsyncIterable[bytes]) -> Original:
        name = new_id("org")
        target = self._path(tenant_id, name)
        partial = target.with_suffix(".partial")
        try:
            await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
            original = await receive(partial, pieces, name, max_bytes=self._max_bytes, sync=True)
            await asyncio.to_thread(_complete, partial, target)
        except BaseException:
            await asyncio.to_thread(partial.unlink, missing_ok=True)
            raise
        return original

    @contextlib.asynccontextmanager
    async def local(self, tenant_id: TenantId, name: str) -> AsyncGenerator[Path]:
        path = self._path(tenant_id, name)
        if not await asyncio.to_thread(path.exists):
            raise OriginalMissing
        yield path

    async def remove(self, tenant_id: TenantId, name: str) -> None:
        await asyncio.to_thread(self._path(tenant_id, name).unlink, missing_ok=True)

    async def remove_all(self, tenant_id: TenantId) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder / tenant_id, ignore_errors=True)

    async def tenants(self) -> list[TenantId]:
        return await asyncio.to_thread(lambda: [TenantId(name) for name in _entries(self._folder)])

    async def names(self, tenant_id: TenantId, *, older_than_seconds: float = 0) -> set[str]:
        folder = self._folder / tenant_id
        return await asyncio.to_thread(_names, folder, time.time() - older_than_seconds)

    async def remove_leftovers(self, *, older_than_seconds: float) -> None:
        """Nothing: an unfinished file is among the tenant's `names`."""

    def _path(self, tenant_id: TenantId, name: str) -> Path:
        return self._folder / tenant_id / name


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


def _complete(partial: Path, target: Path) -> None:
    partial.rename(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
