"""Collections of tenants' own: each a shard in a folder of its own, opened when it is used.

A collection is there once its folder holds a complete shard, and until the folder
is renamed away: a crash at any moment leaves it as it was, or nothing of it. To
be used it is opened, and the one that was used least recently is closed for it.
"""

import asyncio
import re
import secrets
import shutil
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from carrel.vectors.edge import wire
from carrel.vectors.edge.compact import Compaction
from carrel.vectors.edge.folder import Folder, sync_directory
from carrel.vectors.edge.layout import ShardLayout
from carrel.vectors.edge.live import let_searches_in
from carrel.vectors.edge.served import Served, serve_folder

# Each costs 59 MB of page cache, two threads and 75 mappings.
MOST_OPEN = 32

_NAME = re.compile(r"col_[0-9a-hjkmnp-tv-z]{26}")  # as `new_id` makes them
_ERASED = ".erased"


class OwnCollections:
    """The collections below *path*, of which *most_open* are open, or as many as are written to."""

    def __init__(
        self,
        path: Path,
        dimensions: int,
        compacting: asyncio.Lock,
        *,
        most_open: int = MOST_OPEN,
    ) -> None:
        self._path = path
        self._layout = ShardLayout(dimensions, own=True)
        self._compacting = compacting
        self._most_open = most_open
        self._open: OrderedDict[str, Served] = OrderedDict()
        self._opening = asyncio.Lock()
        self._removing = asyncio.Lock()

    async def served(self, name: str, *, create: bool = False) -> Served | None:
        """The collection, opened if need be; None if there is none, and it is not to be made.

        It stays open until the caller awaits something else, or as long as it is `in_use`.

        Raises:
            ValueError: this is no name of a collection.
            FolderUnclear, IncompatibleShard: what is there can't be served.
        """
        folder = self._folder(name)
        if name not in self._open:
            async with self._opening:
                # Whoever had the turn before may have opened it.
                if name not in self._open:
                    if not create and not _is_complete(folder):
                        return None
                    await self._make_room()
                    self._open[name] = await self._serve(folder)
        self._open.move_to_end(name)
        return self._open[name]

    async def write(self, request: wire.Write, size_bytes: int) -> None:
        """Carry *request* out; the first points that are staged make the collection."""
        if isinstance(request, wire.Erase):
            await self._erase(request, size_bytes)
            return
        create = isinstance(request, wire.Stage)
        # An erased one is closed under those who wait to write to it: they start again.
        while served := await self.served(request.collection, create=create):
            if await served.live.write(request, size_bytes):
                return

    def compactions(self) -> Iterator[Compaction]:
        """Those of the open collections."""
        return (served.compaction for served in self._open.values())

    def count(self) -> tuple[int, int]:
        """How many there are, and how many of them are open."""
        return sum(1 for _ in self._folders()), len(self._open)

    def clean(self) -> None:
        """Remove what a crash left: what was erased, and what was never complete. Call it first."""
        if not self._path.is_dir():
            return
        for path in self._erased("*"):
            shutil.rmtree(path, ignore_errors=True)
        for folder in self._folders():
            if folder.is_unborn():
                shutil.rmtree(folder.path, ignore_errors=True)

    async def close(self) -> None:
        """Bring everything to the disk."""
        for served in [*self._open.values()]:
            async with served.live.writes_paused():
                if not served.live.closed:
                    served.live.close()
        self._open.clear()

    async def _erase(self, request: wire.Erase, size_bytes: int) -> None:
        name = request.collection
        while served := await self.served(name):
            with served.live.in_use():
                if await self._drop(name, served, request.tenant_id):
                    break
                # Another tenant's points are there, by whatever mistake: they stay.
                if await served.live.write(request, size_bytes):
                    break
        async with self._removing:
            for path in self._erased(name):
                await asyncio.to_thread(shutil.rmtree, path)

    async def _drop(self, name: str, served: Served, tenant_id: str) -> bool:
        """Close the collection and rename its folder away, unless others have points in it."""
        async with served.compaction.halted(), served.live.writes_paused():
            if served.live.closed or served.live.shard.holds_others(tenant_id):
                return False
            # From here on nothing awaits: nobody finds it open and half gone.
            del self._open[name]
            served.live.close(keep=False)
            path = served.folder.path
            path.rename(path.with_name(f"{name}.{secrets.token_hex(8)}{_ERASED}"))
            sync_directory(self._path)
            return True

    async def _make_room(self) -> None:
        """Close what was used least recently. What is in use stays, and makes one more for now."""
        while len(self._open) >= self._most_open:
            idle = next((name for name, each in self._open.items() if each.live.idle), None)
            if idle is None:
                return
            self._open.pop(idle).live.close()
            await let_searches_in()

    async def _serve(self, folder: Folder) -> Served:
        if folder.path.is_dir():
            return await serve_folder(folder, self._layout, self._compacting)
        folder.path.mkdir(mode=0o700, parents=True)
        served = await serve_folder(folder, self._layout, self._compacting)
        for directory in (self._path, self._path.parent):
            sync_directory(directory)
        return served

    def _folder(self, name: str) -> Folder:
        if not _NAME.fullmatch(name):
            raise ValueError("this is no name of a collection")
        return Folder(self._path / name)

    def _folders(self) -> Iterator[Folder]:
        paths = self._path.iterdir() if self._path.is_dir() else ()
        return (Folder(path) for path in paths if _NAME.fullmatch(path.name))

    def _erased(self, name: str) -> list[Path]:
        return [*self._path.glob(f"{name}.*{_ERASED}")]


def _is_complete(folder: Folder) -> bool:
    return folder.path.is_dir() and folder.current() is not None
