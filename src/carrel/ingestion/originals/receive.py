"""An upload on its way to disk: measured, hashed and bounded as it comes."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterable
from pathlib import Path
from typing import BinaryIO

from carrel.domain.errors import InvalidRequest, StorageFull, TooLarge
from carrel.ingestion.originals.store import Original
from carrel.ingestion.parse.detect import HEAD_BYTES


async def receive(
    path: Path, pieces: AsyncIterable[bytes], name: str, *, max_bytes: int, sync: bool
) -> Original:
    """*pieces* in the file *path*, on the platter if *sync*; described as the original *name*.

    After any exception, what was written of the file is still there.

    Raises:
        InvalidRequest: empty.
        TooLarge: more than *max_bytes*.
        StorageFull: the disk is full.
    """
    digest = hashlib.sha256()
    size, head = 0, b""
    try:
        file = await asyncio.to_thread(path.open, "wb")
        try:
            async for piece in pieces:
                size += len(piece)
                if size > max_bytes:
                    raise TooLarge(f"the file is larger than {max_bytes:,} bytes", param="file")
                digest.update(piece)
                if len(head) < HEAD_BYTES:
                    head += piece[: HEAD_BYTES - len(head)]
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_flush, file, sync)
        finally:
            await asyncio.to_thread(file.close)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("the disk for uploads is full; nothing was stored") from error
        raise
    if size == 0:
        raise InvalidRequest("the file is empty", param="file")
    return Original(name, size, digest.hexdigest(), head)


def _flush(file: BinaryIO, sync: bool) -> None:
    file.flush()
    if sync:
        os.fsync(file.fileno())
