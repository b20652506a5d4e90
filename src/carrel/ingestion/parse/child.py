"""The process in which untrusted documents are read: `python -m carrel.ingestion.parse.child`.

It limits itself before it reads anything, answers one task after the other on its
standard output, and ends when its input does, which is when its parent is gone.
"""

import os
import resource
import sys
import time
from pathlib import Path
from typing import BinaryIO

import msgspec

from carrel.domain.document import ParsedDocument
from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.failure import ParseFailed
from carrel.ingestion.parse.wire import HEADER, Failed, Parsed, Ready, Reply, Span, Task, frame

_OPEN_FILES = 64
_WRITTEN_BYTES = 1 << 20  # nothing is to be written, but for a library's messages


def main() -> None:
    """Serve until the input ends."""
    requests, replies = _own_channel()
    caps = msgspec.msgpack.decode(_receive(requests) or b"", type=Caps)
    _restrict(caps)
    _load()
    _send(replies, Ready())
    tasks = msgspec.msgpack.Decoder(Task)
    while body := _receive(requests):
        _allow_processor(caps)
        _send(replies, _carry_out(tasks.decode(body), caps))


def _own_channel() -> tuple[BinaryIO, BinaryIO]:
    """Input and output for messages alone: what a library prints goes to standard error."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return requests, replies


def _load() -> None:
    """Load what every document needs: the splitter and the tokenizer."""
    from carrel.ingestion.chunk import chunk

    chunk(ParsedDocument("Ready."))


def _restrict(caps: Caps) -> None:
    _cap(resource.RLIMIT_CORE, 0)
    _cap(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _cap(resource.RLIMIT_FSIZE, _WRITTEN_BYTES)
    if sys.platform == "linux":  # elsewhere the limit exists by name alone
        _cap(resource.RLIMIT_AS, caps.memory_bytes)


def _cap(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _allow_processor(caps: Caps) -> None:
    # The limit counts from the start of the process, so each document moves it on.
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    most = int(time.process_time()) + 1 + caps.processor_seconds
    resource.setrlimit(
        resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
    )


def _carry_out(task: Task, caps: Caps) -> Parsed | Failed:
    try:
        return _parse(task, caps)
    except ParseFailed as failure:
        return Failed(failure.reason)
    except MemoryError:
        return Failed(
            f"reading the document takes more than {caps.memory_bytes >> 20} MiB of memory"
        )
    except RecursionError:
        return Failed("the document is nested too deeply")
    except BaseException as error:  # noqa: BLE001 - a panic of the Rust libraries is one
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return Failed("the document cannot be read: its parser failed")


def _parse(task: Task, caps: Caps) -> Parsed:
    from carrel.ingestion.chunk import chunk
    from carrel.ingestion.parse.read import read

    document = read(Path(task.path).read_bytes(), task.media_type, caps)
    was_read = time.perf_counter()
    chunks = chunk(document, tokens=caps.chunk_tokens, overlap=caps.chunk_overlap_tokens)
    if len(chunks) > caps.chunks:
        raise ParseFailed(f"the document comes to more than {caps.chunks:,} chunks")
    headings = list(dict.fromkeys(chunk.heading for chunk in chunks))
    numbers = {heading: number for number, heading in enumerate(headings)}
    return Parsed(
        text=document.text,
        page_starts=document.page_starts,
        title=document.title,
        headings=headings,
        spans=[Span(c.start, c.end, numbers[c.heading], c.page) for c in chunks],
        resident_bytes=_resident_bytes(),
        chunk_seconds=time.perf_counter() - was_read,
    )


def _resident_bytes() -> int:
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()


def _receive(requests: BinaryIO) -> bytes | None:
    header = requests.read(HEADER.size)
    return requests.read(HEADER.unpack(header)[0]) if len(header) == HEADER.size else None


def _send(replies: BinaryIO, reply: Reply) -> None:
    replies.write(frame(reply))
    replies.flush()


if __name__ == "__main__":
    status = 1
    try:
        main()
        status = 0
    finally:
        # Without Python's own ending: the threads of one library abort the process in it.
        sys.stderr.flush()
        os._exit(status)
