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
# Words of the gRPC library, which has but one status for everything that stops a connection.
_UNTRUSTED = "the Qdrant server's certificate is not of an authority that is trusted here"
_NO_TRUST = {
    "certificate has expired": "the Qdrant server's certificate has expired",
    "CERTIFICATE_VERIFY_FAILED": _UNTRUSTED,
    "certificate signature failure": _UNTRUSTED,  # another authority of the same name
    "Hostname Verification": "the Qdrant server's certificate is for another name",
    "WRONG_VERSION_NUMBER": "the Qdrant server does not speak TLS on this port",
    "Failed to create security handshaker": "no certificate can be read from the authority's file",
}


class Unreachable(Unavailable):
    """No answer: no server, no connection to it, or none in time."""


class MissingCollection(Unavailable):
    """The server answers, and has no such collection."""


@asynccontextmanager
async def translated(timeout_seconds: float) -> AsyncGenerator[None]:
    """Raise the client's errors as ours, and stop waiting after *timeout_seconds*.

    Raises:
        Unreachable: no server, or no answer in time.
        MissingCollection: there is no such collection.
        Unavailable: a server that can't serve at present.
        StorageFull: its disk is full.
        TooLarge: the request is larger than the server takes.
        CarrelError: it refused the request itself.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            yield
    except TimeoutError:
        raise Unreachable(f"Qdrant did not answer within {timeout_seconds:g} s") from None
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
            return _passing(code, details)


def _passing(code: StatusCode, details: str) -> Unavailable:
    match code:
        case StatusCode.UNAVAILABLE:
            return _unreachable(details)
        case StatusCode.DEADLINE_EXCEEDED:
            return Unreachable("Qdrant did not answer in time")
        case StatusCode.NOT_FOUND:
            message = "the collection is missing on the Qdrant server"
            return MissingCollection(message, retry_after_seconds=_OPERATOR_SECONDS)
        case StatusCode.UNAUTHENTICATED | StatusCode.PERMISSION_DENIED:
            message = "Qdrant does not accept the API key"
            return Unavailable(message, retry_after_seconds=_OPERATOR_SECONDS)
        case StatusCode.RESOURCE_EXHAUSTED:
            return Unavailable("Qdrant is busy")
        case _:
            return Unavailable("Qdrant failed; try again in a second")


def _unreachable(details: str) -> Unreachable:
    for words, message in _NO_TRUST.items():
        if words in details:
            return Unreachable(message, retry_after_seconds=_OPERATOR_SECONDS)
    return Unreachable("Qdrant can't be reached; try again in a second")
