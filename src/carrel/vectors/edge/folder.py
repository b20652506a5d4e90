"""A shard's folder: numbered shard directories, and CURRENT, which names one of them.

CURRENT changes by an atomic rename, and a directory gets its final name only
once it is complete, so a crash at any moment leaves one complete shard behind.
The engine's own folder has a lock, which holds for the folders below it, too.
"""

import contextlib
import fcntl
import os
import re
import shutil
import time
from pathlib import Path

from carrel.vectors.edge.address import make_private

LOCK_WAIT_SECONDS = 10.0
_CURRENT = "CURRENT"
_PARTIAL = ".partial"
_SHARD = re.compile(r"shard-(\d{6,})(\.partial)?")


class FolderBusy(Exception):
    """Another engine has the folder."""


class FolderUnclear(Exception):
    """The folder holds shards, and does not say which of them counts."""


class Folder:
    """Where one shard lives, and its successor while that is made."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: int | None = None

    def acquire(self, wait_seconds: float = LOCK_WAIT_SECONDS) -> None:
        """Take the folder, waiting for a predecessor that is about to end.

        Raises:
            FolderBusy: another engine still had it after *wait_seconds*.
        """
        make_private(self.path)
        lock = os.open(self.path / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(lock)
                    raise FolderBusy(f"another vector engine has {self.path}") from None
                time.sleep(0.02)
            else:
                self._lock = lock
                return

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def current(self) -> Path | None:
        """The shard that counts; None in a new folder.

        Raises:
            FolderUnclear: CURRENT is lost, or names what is not there.
        """
        complete = self._complete()
        name = self._named()
        if name is None:
            # A crash before the first CURRENT leaves one shard: that is it.
            if len(complete) <= 1:
                return complete[0] if complete else None
            raise FolderUnclear(
                f"{self.path / _CURRENT} is missing. Write the name of the shard to keep into it."
            )
        if self.path / name not in complete:
            raise FolderUnclear(f"{self.path / _CURRENT} names {name!r}, which is not there")
        return self.path / name

    def is_unborn(self) -> bool:
        """Whether no shard was ever complete here."""
        return not self._complete() and self._named() is None

    def new_partial(self) -> Path:
        """A path for the next shard, to be built there and then completed.

        Its name was never used: an orphan of a killed engine may still be writing to the last one.
        """
        number = max((int(match[1]) for match in self._shards()), default=0)
        return self.path / f"shard-{number + 1:06}{_PARTIAL}"

    def complete(self, partial: Path) -> Path:
        """Give a built shard, closed by whoever built it, its final name."""
        final = partial.with_name(partial.name.removesuffix(_PARTIAL))
        partial.rename(final)
        sync_directory(self.path)
        return final

    def switch_to(self, shard: Path) -> None:
        """Make *shard* the one that counts, from now on and after any crash."""
        if self._named() == shard.name:
            return
        fresh = self.path / f"{_CURRENT}{_PARTIAL}"
        with fresh.open("w") as file:
            file.write(f"{shard.name}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path / _CURRENT)
        sync_directory(self.path)

    def remove_leftovers(self, keep: Path) -> None:
        """Delete every shard but *keep*, and what was never finished."""
        for match in self._shards():
            path = self.path / match[0]
            if path != keep:
                # Where an orphan of a killed engine still writes, the next start removes the rest.
                shutil.rmtree(path, ignore_errors=True)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free

    def _named(self) -> str | None:
        try:
            return (self.path / _CURRENT).read_text().strip()
        except FileNotFoundError:
            return None

    def _complete(self) -> list[Path]:
        return [self.path / match[0] for match in self._shards() if not match[2]]

    def _shards(self) -> list[re.Match[str]]:
        found = (_SHARD.fullmatch(path.name) for path in self.path.iterdir())
        return [match for match in found if match]


def sync_directory(directory: Path) -> None:
    """Bring the names in *directory* to the disk; where a system can't, do nothing."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
