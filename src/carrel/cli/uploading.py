"""Many files to one tenant: uploaded a few at a time, then watched until the server is done.

What concerns one file (it is broken, too large, of an unknown type) ends that
file; what would meet every file alike (no key, no disk, no server) ends all.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from carrel.cli.failure import ApiError, Failure
from carrel.cli.walk import Upload
from carrel.cli.wire import Document

if TYPE_CHECKING:
    from carrel.cli.client import Client

CONCURRENT_UPLOADS = 8
POLL_SECONDS = 20
SHORTEST_POLL_SECONDS = 0.25
_OF_ONE_FILE = frozenset({400, 409, 413, 415, 422, 500})

Status = Literal["ready", "unchanged", "failed", "accepted"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file; `accepted` where nobody waited for more."""

    upload: Upload
    status: Status
    chunks: int = 0
    reason: str = ""


async def upload_all(
    client: "Client",
    uploads: Sequence[Upload],
    *,
    metadata: Mapping[str, Any] | None = None,
    wait: bool = True,
    on_uploaded: Callable[[Upload], None] = lambda _: None,
    on_outcome: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """The outcome of each upload, in their order; the callbacks hear of each as it happens.

    Raises:
        Failure: of a kind that every file would meet; uploads under way are stopped.
    """
    sending, watching = asyncio.Semaphore(CONCURRENT_UPLOADS), asyncio.Semaphore(CONCURRENT_UPLOADS)

    async def one(upload: Upload) -> Outcome:
        try:
            async with sending:
                document = await client.upload(
                    upload.path, document_id=upload.document_id, metadata=metadata
                )
            on_uploaded(upload)
            # Ready at once means that nothing was left to do: these bytes were there already.
            unchanged = document.status == "ready"
            if wait:
                async with watching:
                    document = await _settled(client, document)
            outcome = _outcome(upload, document, unchanged=unchanged)
        except ApiError as error:
            if error.status not in _OF_ONE_FILE:
                raise
            outcome = Outcome(upload, "failed", reason=error.message)
        except OSError as error:
            outcome = Outcome(upload, "failed", reason=f"can't be read: {error.strerror}")
        on_outcome(outcome)
        return outcome

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(upload)) for upload in uploads]
    except* Failure as failures:
        raise _first(failures) from None
    return [task.result() for task in tasks]


async def _settled(client: "Client", document: Document) -> Document:
    while not document.settled:
        asked = time.monotonic()
        document = await client.document(document.id, wait_seconds=POLL_SECONDS)
        if not document.settled and time.monotonic() - asked < SHORTEST_POLL_SECONDS:
            await asyncio.sleep(SHORTEST_POLL_SECONDS)
    return document


def _outcome(upload: Upload, document: Document, *, unchanged: bool) -> Outcome:
    if document.status == "failed":
        return Outcome(upload, "failed", reason=document.error or "the server gave no reason")
    if document.status != "ready":
        return Outcome(upload, "accepted")
    return Outcome(upload, "unchanged" if unchanged else "ready", document.chunks)


def _first(failures: BaseExceptionGroup[Failure]) -> Failure:
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, Failure)
    return first
