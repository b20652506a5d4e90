"""Reading documents without trusting them: each in a capped child process.

Whatever a document does to its parser, it fails alone and with a reason; the process that
asked holds neither the parser's memory nor its processor time. Children are kept
warm between documents and gone after ten idle seconds.
"""

import asyncio
import logging
import math
from dataclasses import dataclass
from pathlib import Path

from carrel.domain.document import Chunk, ParsedDocument
from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.failure import ParseFailed
from carrel.ingestion.parse.process import ParserProcess
from carrel.ingestion.parse.wire import Parsed, Task

__all__ = ["ParseFailed", "ParseResult", "Parser"]

log = logging.getLogger(__name__)

_GROWN_BYTES = 256 << 20  # a child that holds more after a document does not keep it


@dataclass(frozen=True, slots=True)
class ParseResult:
    """A document's text, and the chunks of it, in order; to cut them took `chunk_seconds`."""

    document: ParsedDocument
    chunks: list[Chunk]
    chunk_seconds: float


class Parser:
    """Reads and cuts up to *processes* documents at once; others wait their turn.

    A child is replaced after *documents_per_process* documents, after any failure, and
    when its memory has grown. The documents of several tenants pass through one child:
    where that is too close, one document per process is the strictest setting.
    """

    def __init__(
        self,
        *,
        processes: int = 2,
        timeout_seconds: float = 120,
        memory_mebibytes: int = 1024,
        chunk_tokens: int = 200,
        chunk_overlap_tokens: int = 40,
        documents_per_process: int = 100,
        idle_seconds: float = 10,
        text_characters: int = 20_000_000,
        chunks: int = 50_000,
    ) -> None:
        self._caps = Caps(
            memory_bytes=memory_mebibytes << 20,
            # One thread works at a time, so the clock runs out first, while there is a parent
            # to look at it; a child without one is bound by this.
            processor_seconds=math.ceil(timeout_seconds) + 1,
            text_characters=text_characters,
            chunks=chunks,
            chunk_tokens=chunk_tokens,
            chunk_overlap_tokens=chunk_overlap_tokens,
        )
        self._timeout_seconds = timeout_seconds
        self._documents_per_process = documents_per_process
        self._idle_seconds = idle_seconds
        self._turns = asyncio.Semaphore(processes)
        self._idle: dict[ParserProcess, asyncio.TimerHandle] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    async def parse(self, path: Path, media_type: str) -> ParseResult:
        """The document in the file *path*, read as *media_type*.

        Cancelling it kills the child.

        Raises:
            ParseFailed: the document cannot be read, and never will be.
            ParserKilled: it may be readable another time.
            Unavailable: no child could be started.
        """
        async with self._turns:
            child = await self._take()
            try:
                parsed = await child.parse(Task(str(path), media_type))
            except ParseFailed as failure:
                # Not the child's last words: a library that panics quotes what it was reading.
                log.info("cannot parse %s: %s", path.name, failure)
                await child.kill()
                raise
            except BaseException:
                await asyncio.shield(child.kill())
                raise
            self._give_back(child, parsed.resident_bytes)
        return await asyncio.to_thread(_result, parsed)

    async def close(self) -> None:
        """Stop the children that are idle. Cancel what is being parsed before."""
        for child in list(self._idle):
            self._stop(child)
        await asyncio.gather(*self._stopping)

    async def _take(self) -> ParserProcess:
        while self._idle:
            child, timer = self._idle.popitem()
            timer.cancel()
            if child.alive:
                return child
        return await ParserProcess.start(self._caps, timeout_seconds=self._timeout_seconds)

    def _give_back(self, child: ParserProcess, resident_bytes: int) -> None:
        loop = asyncio.get_running_loop()
        self._idle[child] = loop.call_later(self._idle_seconds, self._stop, child)
        if child.served >= self._documents_per_process or resident_bytes > _GROWN_BYTES:
            self._stop(child)

    def _stop(self, child: ParserProcess) -> None:
        self._idle.pop(child).cancel()
        stopping = asyncio.create_task(child.stop())
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)


def _result(parsed: Parsed) -> ParseResult:
    text = parsed.text
    chunks = [
        Chunk(
            ordinal=ordinal,
            text=text[span.start : span.end],
            start=span.start,
            end=span.end,
            heading=parsed.headings[span.heading],
            page=span.page,
        )
        for ordinal, span in enumerate(parsed.spans)
    ]
    document = ParsedDocument(text, parsed.page_starts, parsed.title)
    return ParseResult(document, chunks, parsed.chunk_seconds)
