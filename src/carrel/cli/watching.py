"""`carrel ingest --watch`: what is new or has changed is uploaded, again and again.

A file is taken once it has stayed the same from one look to the next: whoever writes it has
finished. Documents of files that are gone stay; deleting is for people.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from carrel.cli.walk import Upload, walk

LOOK_SECONDS = 2.0
PATIENCE_SECONDS = 3600.0  # a server that is down for an hour is no reason to stop watching

Signature = tuple[int, int]  # of a file: when it was written, in nanoseconds, and its size


class Changes:
    """Which files are to be uploaded, from one look to the next."""

    def __init__(self) -> None:
        self._seen: dict[str, Signature] = {}
        self._uploaded: dict[str, Signature] = {}

    def look(self, paths: Sequence[Path]) -> list[Upload]:
        """Files that are other than when they were uploaded, and the same as at the last look."""
        found: list[Upload] = []
        seen: dict[str, Signature] = {}
        for upload in walk(paths).uploads:
            try:
                status = upload.path.stat()
            except OSError:  # gone since the walk
                continue
            now = (status.st_mtime_ns, status.st_size)
            seen[upload.document_id] = now
            is_steady = self._seen.get(upload.document_id) == now
            if is_steady and self._uploaded.get(upload.document_id) != now:
                found.append(upload)
        self._seen = seen
        return found

    def uploaded(self, upload: Upload) -> None:
        """*upload* was sent, as it was at the last look."""
        self._uploaded[upload.document_id] = self._seen[upload.document_id]


async def watch(paths: Sequence[Path], metadata: Mapping[str, Any], url: str, key: str) -> None:
    """Upload what changes, until cancelled.

    Raises:
        Failure: of a kind that every file would meet.
    """
    from carrel.cli.client import Client
    from carrel.cli.uploading import Outcome, upload_all

    changes = Changes()

    def tell(outcome: Outcome) -> None:
        print(f"{outcome.status}\t{outcome.upload.name}\t{outcome.reason}".rstrip(), flush=True)  # noqa: T201

    async with Client(url, key, patience_seconds=PATIENCE_SECONDS) as client:
        while True:
            if found := await asyncio.to_thread(changes.look, paths):
                await upload_all(client, found, metadata=metadata, on_outcome=tell)
                for upload in found:
                    changes.uploaded(upload)
            await asyncio.sleep(LOOK_SECONDS)
