"""Connections to the vector engine, each carrying one request at a time.

A connection goes back to the pool only after its reply was read to the end. One
whose request was cancelled, timed out or failed is closed: its reply may still
come, and would answer someone else's request.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import TypeVar

import msgspec

from carrel.domain.errors import CarrelError, InvalidRequest, StorageFull, TooLarge, Unavailable
from carrel.vectors.edge import wire
from carrel.vectors.edge.address import check_owner, socket_path

_READ_BUFFER_BYTES = 1024 * 1024

Expected = TypeVar("Expected", bound=wire.Reply)


class Connections:
    """At most *limit* connections to the engine of *folder*, opened when they are needed.

    A request has *timeout_seconds*, waiting for a free connection included.
    """

    def __init__(self, folder: Path, *, limit: int, timeout_seconds: float) -> None:
        self._folder = folder
        self._timeout_seconds = timeout_seconds
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._free = asyncio.Semaphore(limit)

    async def ask(
        self,
        request: wire.Request,
        expected: type[Expected],
        *,
        timeout_seconds: float | None = None,
    ) -> Expected:
        """The reply to *request*, of the type *expected*.

        Raises:
            Unavailable: no engine, or no reply in time; whether it was carried out is unknown.
            InvalidRequest: the engine can't store or read a value of the request.
            TooLarge: the request does not fit a frame, and nothing was sent; or the reply doesn't.
            StorageFull: there is no room to write.
            CarrelError: the engine failed at the request.
        """
        body = _encode(request)
        seconds = timeout_seconds or self._timeout_seconds
        try:
            async with asyncio.timeout(seconds), self._free:
                reply = wire.decode_reply(await self._exchange(body))
        except TimeoutError:
            raise Unavailable(f"the vector engine did not answer within {seconds:g} s") from None
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Unavailable("the vector engine is restarting; try again in a second") from error
        except (wire.FrameTooLarge, msgspec.DecodeError) as error:
            raise CarrelError(f"not a reply of the vector engine: {error}") from error
        if isinstance(reply, expected):
            return reply
        raise _refusal(reply)

    async def close(self) -> None:
        """Close idle connections; those in use close when their request ends."""
        while self._idle:
            _, writer = self._idle.pop()
            await _close(writer)

    async def _exchange(self, body: bytes) -> bytes:
        reader, writer = await self._connection()
        try:
            wire.write_frame(writer, body)
            await writer.drain()
            reply = await wire.read_frame(reader)
        except BaseException:
            writer.transport.abort()
            raise
        self._idle.append((reader, writer))
        return reply

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            await _close(writer)
        path = await asyncio.to_thread(_trusted_path, self._folder)
        return await asyncio.open_unix_connection(path, limit=_READ_BUFFER_BYTES)


def _trusted_path(folder: Path) -> Path:
    path = socket_path(folder)
    check_owner(path.parent)
    return path


def _encode(request: wire.Request) -> bytes:
    try:
        body = wire.encode(request)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"the vector store can't hold this: {error}") from error
    if len(body) > wire.MAX_FRAME_BYTES:
        raise TooLarge(f"{len(body)} bytes at once are more than the vector store takes")
    return body


def _refusal(reply: wire.Reply) -> CarrelError:
    match reply:
        case wire.Refused("invalid_request", message):
            return InvalidRequest(f"the vector store can't hold or find this: {message}")
        case wire.Refused("too_large", message):
            return TooLarge(message)
        case wire.Refused("storage_full", message):
            return StorageFull(message)
        case wire.Refused(_, message):
            return CarrelError(f"the vector engine failed: {message}")
        case _:
            return CarrelError(f"the vector engine replied {type(reply).__name__}")


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):  # it was broken already
        await writer.wait_closed()
