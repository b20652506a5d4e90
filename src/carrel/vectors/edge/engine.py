"""The vector engine's process: `python -m carrel.vectors.edge.engine --folder F --dimensions N`.

It serves one folder, with the shard of all tenants and the collections of tenants' own, on
the socket that `address.socket_path` names, and ends when its standard input does, so it never
outlives whoever started it. It prints warnings and errors, nothing else. Status 78 (EX_CONFIG)
says that starting it again would not help, 75 (EX_TEMPFAIL) that another engine has the folder.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import msgspec

from carrel.vectors.edge import wire
from carrel.vectors.edge.address import make_private, socket_path
from carrel.vectors.edge.compact import Compaction, watch
from carrel.vectors.edge.folder import Folder, FolderBusy, FolderUnclear
from carrel.vectors.edge.layout import ShardLayout
from carrel.vectors.edge.own import MOST_OPEN, OwnCollections
from carrel.vectors.edge.questions import answer, answer_nothing
from carrel.vectors.edge.served import Served, serve_folder
from carrel.vectors.edge.shard import IncompatibleShard

log = logging.getLogger(__name__)

# The library maps files that it has not filled: on a full disk a write to one kills the process.
LEAST_FREE_BYTES = 256 * 1024 * 1024

OWN_FOLDER = "own"


class Engine:
    """Answers requests about the shared shard, and about collections of tenants' own."""

    def __init__(self, shared: Served, own: OwnCollections) -> None:
        self._shared = shared
        self._own = own
        self._conversations: set[asyncio.Task[None]] = set()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests, in order, until it ends."""
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        task.add_done_callback(self._conversations.discard)
        try:
            while True:
                body = await wire.read_frame(reader)
                wire.write_frame(writer, await self.answer(body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        except wire.FrameTooLarge as error:
            log.warning("closed a connection: %s", error)
        finally:
            writer.close()

    async def answer(self, body: bytes) -> bytes:
        """The reply to one request. A request that fails is refused, and the engine goes on."""
        try:
            reply = wire.encode(await self._carry_out(wire.decode_request(body), len(body)))
            if len(reply) > wire.MAX_FRAME_BYTES:
                reply = wire.encode(wire.Refused("too_large", "the result is too large"))
        except (ValueError, TypeError, OverflowError, msgspec.DecodeError) as error:
            return wire.encode(wire.Refused("invalid_request", str(error)))
        except Exception as error:  # the library raises nothing narrower
            log.exception("a request failed")
            return wire.encode(wire.Refused("failed", str(error)))
        except asyncio.CancelledError:
            raise
        except BaseException:
            # A panic of the library, which may leave its locks held: a new process will not.
            log.critical("the engine's library panicked", exc_info=True)
            os._exit(os.EX_SOFTWARE)
        return reply

    async def close(self) -> None:
        """Cut conversations, bring everything to the disk."""
        for task in self._conversations:
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)
        await self._own.close()
        async with self._shared.live.writes_paused():
            self._shared.live.close()

    def compactions(self) -> Iterator[Compaction]:
        """Those of all open shards."""
        return chain([self._shared.compaction], self._own.compactions())

    async def _carry_out(self, request: wire.Request, size_bytes: int) -> wire.Reply:
        reply: wire.Reply = wire.Done()
        match request:
            case wire.Search() | wire.Fetch() | wire.Count() | wire.Inventory() | wire.Read():
                served = await self._served(request.collection)
                # Nothing awaits from here to the answer: so long the shard stays open.
                return answer(request, served.live.shard) if served else answer_nothing(request)
            case wire.Ping():
                pass
            case wire.Describe():
                reply = self._describe()
            case wire.Optimise():
                served = await self._served(request.collection)
                if served is not None and not await served.compaction.run():
                    reply = wire.Refused("failed", "not optimised; the engine's log says why")
            case wire.Stage() if self._shared.folder.free_bytes() < LEAST_FREE_BYTES:
                reply = wire.Refused("storage_full", "the disk of the vector store is full")
            case _:
                await self._write(request, size_bytes)
        return reply

    async def _served(self, collection: str) -> Served | None:
        if collection == wire.SHARED:
            return self._shared
        return await self._own.served(collection)

    async def _write(self, request: wire.Write, size_bytes: int) -> None:
        if request.collection == wire.SHARED:
            await self._shared.live.write(request, size_bytes)
        else:
            await self._own.write(request, size_bytes)

    def _describe(self) -> wire.Described:
        collections, opened = self._own.count()
        return wire.Described(self._shared.live.shard.describe(), collections, opened)


async def serve(folder: Folder, dimensions: int, most_open: int) -> None:
    """Serve *folder* until SIGTERM or the end of standard input."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # Ctrl-C reaches every process of a terminal; whoever started the engine decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop.add_reader(sys.stdin.fileno(), _read_input, stop)
    compacting = asyncio.Lock()
    own = OwnCollections(folder.path / OWN_FOLDER, dimensions, compacting, most_open=most_open)
    own.clean()
    engine = Engine(await serve_folder(folder, ShardLayout(dimensions), compacting), own)
    listening = _listen(folder.path)
    server = await asyncio.start_unix_server(engine.converse, sock=listening)
    watching = asyncio.create_task(watch(engine.compactions))
    await stop.wait()
    server.close()
    socket_path(folder.path).unlink(missing_ok=True)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="carrel.vectors.edge.engine", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--dimensions", type=int, required=True)
    parser.add_argument("--most-open", type=int, default=MOST_OPEN)
    arguments = parser.parse_args()
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s vector engine: %(message)s",
    )
    folder = Folder(arguments.folder)
    try:
        folder.acquire()
        asyncio.run(serve(folder, arguments.dimensions, arguments.most_open))
    except FolderBusy as error:
        log.critical("%s", error)
        sys.exit(os.EX_TEMPFAIL)
    except (FolderUnclear, IncompatibleShard, PermissionError) as error:
        log.critical("%s", error)
        sys.exit(os.EX_CONFIG)
    finally:
        folder.release()


def _read_input(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def _listen(folder: Path) -> socket.socket:
    path = socket_path(folder)
    make_private(path.parent)
    path.unlink(missing_ok=True)  # of an engine that was killed: the folder's lock is ours
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.ExitStack() as stack:
        stack.callback(os.umask, os.umask(0o177))
        listening.bind(str(path))
    return listening


if __name__ == "__main__":
    main()
