"""What a Qdrant server's failures mean to a caller.

Whatever may pass by itself is `Unavailable`, a refused API key and a missing
collection included: a job that meets it is tried again, and no search takes
"nothing was found" from a server that could not look.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from grpc import StatusCode
from grpc.aio import AioRpcError
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse

from carrel.domain.errors import CarrelError, StorageFull, TooLarge, Unavailable

# Qdrant has no status of its own for these: it says so in words, as an internal error (a full
# disk) or an invalid request (a quota on disk or memory, from 1.20 on).
_NO_SPACE = ("No space left on device", "Disk usage is at")
_NO_MEMORY = "Resident memory usage is at"

# What an operator has to put right is not asked for every second.
_OPERATOR_SECONDS = 15
_KEY_REFUSED = ("Qdrant does not accept the API key", _OPERATOR_SECONDS)
_PASSING = {
    StatusCode.DEADLINE_EXCEEDED: ("Qdrant did not answer in time", 1),
    StatusCode.RESOURCE_EXHAUSTED: ("Qdrant is busy", 1),
    StatusCode.UNAUTHENTICATED: _KEY_REFUSED,
    StatusCode.PERMISSION_DENIED: _KEY_REFUSED,
    StatusCode.NOT_FOUND: (
        "the collection is missing on the Qdrant server",
        _OPERATOR_SECONDS,
    ),
}
_OTHER = ("Qdrant can't be reached, or failed; try again in a second", 1)


@asynccontextmanager
async def translated(timeout_seconds: float) -> AsyncGenerator[None]:
    """Raise the client's errors as ours, and stop waiting after *timeout_seconds*.

    Raises:
        Unavailable: no server, no answer in time, or one that can't serve at present.
        StorageFull: its disk is full.
        TooLarge: the request is larger than the server takes.
        CarrelError: it refused the request itself.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            yield
    except TimeoutError:
        raise Unavailable(f"Qdrant did not answer within {timeout_seconds:g} s") from None
    except ResourceExhaustedResponse as error:
        raise Unavailable("Qdrant is busy", retry_after_seconds=error.retry_after_s) from error
    except AioRpcError as error:
        raise _condition(error.code(), error.details() or "") from error


def _condition(code: StatusCode, details: str) -> CarrelError:
    if any(words in details for words in _NO_SPACE):
        return StorageFull("the disk of the Qdrant server is full")
    if _NO_MEMORY in details:
        return Unavailable("Qdrant is short of memory", retry_after_seconds=_OPERATOR_SECONDS)
    match code:
        case StatusCode.OUT_OF_RANGE:  # how its gRPC library says that a message is too long
            return TooLarge("more at once than the Qdrant server takes")
        case StatusCode.INVALID_ARGUMENT | StatusCode.FAILED_PRECONDITION:
            return CarrelError(f"Qdrant refused the request: {details}")
        case StatusCode.UNIMPLEMENTED:
            return CarrelError("Qdrant does not know this request: is the server too old?")
        case _:
            message, seconds = _PASSING.get(code, _OTHER)
            return Unavailable(message, retry_after_seconds=seconds)
