"""A shard that is open, with all that serving it takes: its folder, its writers, its compaction."""

import asyncio
from dataclasses import dataclass

from carrel.vectors.edge.compact import Compaction
from carrel.vectors.edge.folder import Folder
from carrel.vectors.edge.layout import ShardLayout, creation
from carrel.vectors.edge.live import LiveShard, let_searches_in
from carrel.vectors.edge.shard import Shard


@dataclass(frozen=True, slots=True)
class Served:
    """An open shard; only one may be open of a folder."""

    folder: Folder
    live: LiveShard
    compaction: Compaction


async def serve_folder(folder: Folder, layout: ShardLayout, compacting: asyncio.Lock) -> Served:
    """Open the shard of *folder*, made if it is new; compactions take turns at *compacting*.

    Raises:
        FolderUnclear, IncompatibleShard: what is there can't be served.
    """
    live = LiveShard(await open_shard(folder, layout))
    return Served(folder, live, Compaction(live, folder, layout, compacting))


async def open_shard(folder: Folder, layout: ShardLayout) -> Shard:
    """The shard of *folder*, made if it is new; one caller at a time, in the process that has it.

    Raises:
        FolderUnclear, IncompatibleShard: what is there can't be served.
    """
    directory = folder.current()
    if directory is None:
        partial = folder.new_partial()
        folder.remove_leftovers(keep=folder.path)
        for _ in creation(partial, layout):
            await let_searches_in()
        directory = folder.complete(partial)
    shard = Shard(directory, layout)
    folder.switch_to(directory)
    folder.remove_leftovers(keep=directory)
    return shard
