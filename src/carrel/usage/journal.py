"""Usage on local disk before it is in SQL, so that kill -9 takes none of it.

Each process appends to a file of its own and holds a lock on it. The kernel has a
record once `append` returns, and keeps it when the process is killed (not when the
power fails). A file whose lock is free was left behind: whoever takes the lock
writes its events into SQL and removes it.
"""

import errno
import fcntl
import logging
import os
from collections.abc import Generator, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from carrel.domain.answer import TokenUsage
from carrel.domain.ids import KeyId, RequestId, TenantId, new_id
from carrel.domain.usage import UsageEvent
from carrel.telemetry import metrics
from carrel.usage.prices import Price

log = logging.getLogger(__name__)

LIVE = ".live"  # appended to by a process, or left by one that was killed
SEALED = ".sealed"  # full: what was open in it went on in the next file


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """A model is about to be asked; *price* is what its tokens will be charged at."""

    request_id: RequestId
    tenant_id: TenantId
    key_id: KeyId
    at: datetime
    route: str
    model: str
    prompt_tokens: int
    max_tokens: int
    embedding_tokens: int
    price: Price | None


class Wrote(msgspec.Struct, frozen=True, tag="wrote"):
    """The model has written this many tokens so far."""

    request_id: RequestId
    completion_tokens: int


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    """The request is over."""

    event: UsageEvent


Record = Opened | Wrote | Closed
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class _File:
    """A live file, locked for as long as it is open."""

    def __init__(self, folder: Path) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        while True:
            self.path = folder / f"{new_id('usg')}{LIVE}"
            self.descriptor = os.open(self.path, flags, 0o600)
            fcntl.flock(self.descriptor, fcntl.LOCK_EX)
            if os.fstat(self.descriptor).st_nlink:
                break
            os.close(self.descriptor)  # taken for one left behind, before it was locked
        self.size = 0

    def write(self, records: Iterable[Record]) -> None:
        """Hand *records* to the kernel, all of them or none.

        Raises:
            OSError: none; the disk is full, say.
        """
        lines = b"".join(_encode(record) + b"\n" for record in records)
        written = os.write(self.descriptor, lines)
        if written < len(lines):
            os.ftruncate(self.descriptor, self.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += written

    def close(self, *, remove: bool) -> None:
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


class Journal:
    """The file of this process in *folder*. Only one thread may use it.

    A disk that takes no more fails no request: the journal is then not `intact`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._file = _File(folder)
        self.intact = True

    @property
    def size(self) -> int:
        """Bytes."""
        return self._file.size

    def append(self, record: Record) -> None:
        """Have the kernel keep *record*, whatever becomes of this process."""
        try:
            # In the event loop: it takes microseconds, a visit to a thread ten times as long.
            self._file.write((record,))
        except OSError as error:
            metrics.usage_journal_errors.inc()
            if self.intact:
                log.error("usage is in memory only: its journal takes no more (%s)", error.strerror)  # noqa: TRY400
            self.intact = False

    def roll(self, carried: Iterable[Record], *, seal: bool) -> None:
        """Go on in a new file that starts with *carried*.

        The old one is removed, or with *seal* kept for `left_behind` to find.

        Raises:
            OSError: nothing has changed.
        """
        fresh = _File(self._folder)
        try:
            fresh.write(carried)
        except OSError:
            fresh.close(remove=True)
            raise
        # Killed here, both files are live, and agree on what is open.
        if seal:
            self._file.path.rename(self._file.path.with_suffix(SEALED))
        self._file.close(remove=not seal)
        self._file, self.intact = fresh, True

    def close(self, *, remove: bool) -> None:
        """Let go of the file; one that is not removed is found by `left_behind`."""
        self._file.close(remove=remove)


class LeftBehind:
    """A journal that nobody writes any more, locked for this process until `release`."""

    def __init__(self, path: Path, file: int) -> None:
        self._path = path
        self._file = file

    def events(self) -> list[UsageEvent]:
        """One event for each request of the file.

        A request that was under way is charged for its prompt and for what it
        is known to have written; `unfinished` says so.
        """
        opened: dict[RequestId, Opened] = {}
        wrote: dict[RequestId, int] = {}
        closed: dict[RequestId, UsageEvent] = {}
        for record in _records(self._path):
            if isinstance(record, Opened):
                opened[record.request_id] = record
            elif isinstance(record, Wrote):
                wrote[record.request_id] = record.completion_tokens
            else:
                closed[record.event.request_id] = record.event
        if self._path.suffix == LIVE:
            for request_id, request in opened.items():
                if request_id not in closed:
                    closed[request_id] = _cut_off(request, wrote.get(request_id, 0))
        return list(closed.values())

    def remove(self) -> None:
        """The events are in SQL."""
        self._path.unlink(missing_ok=True)

    def release(self) -> None:
        os.close(self._file)


def left_behind(folder: Path) -> Generator[LeftBehind]:
    """The journals in *folder* whose writers are gone, oldest first, one at a time."""
    for path in sorted((*folder.glob(f"*{LIVE}"), *folder.glob(f"*{SEALED}"))):
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # another process was faster
            continue
        left = LeftBehind(path, file)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between opening and locking it may have been sealed, or removed.
            if path.stat().st_ino == os.fstat(file).st_ino:
                yield left
        except OSError:
            pass  # its writer lives, or it is gone
        finally:
            left.release()


def _records(path: Path) -> Iterator[Record]:
    with path.open("rb") as lines:
        for line in lines:
            try:
                yield _decode(line)
            except msgspec.MsgspecError:
                # Of the last line, an interrupted write may have left a part.
                log.warning("a line of %s is no usage record: passed over", path.name)


def _cut_off(request: Opened, completion_tokens: int) -> UsageEvent:
    price, prompt = request.price, request.prompt_tokens
    return UsageEvent(
        request_id=request.request_id,
        tenant_id=request.tenant_id,
        key_id=request.key_id,
        at=request.at,
        route=request.route,
        model=request.model,
        cache_status="miss",
        usage=TokenUsage(
            prompt_tokens=prompt,
            completion_tokens=completion_tokens,
            embedding_tokens=request.embedding_tokens,
            cost_micro_usd=price.cost(prompt, completion_tokens) if price else None,
        ),
        unfinished=True,
    )
