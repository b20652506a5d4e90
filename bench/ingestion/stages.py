"""What a document costs, stage by stage, each by itself on one core."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bench.ingestion.corpus import Corpus

from carrel.embedding.chunk_text import embedded_text
from carrel.embedding.keywords import Keywords, document_language
from carrel.embedding.static import StaticEmbedder
from carrel.ingestion.parse.detect import HEAD_BYTES, detect
from carrel.ingestion.parse.parser import Parser


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage over all documents."""

    name: str
    seconds: float
    documents: int
    chunks: int
    size: int

    def __str__(self) -> str:
        return (
            f"{self.name:<28} {self.documents / self.seconds:>8.0f} documents/s "
            f"{self.size / self.seconds / 1e6:>8.2f} MB/s "
            f"{self.chunks / self.seconds:>8.0f} chunks/s"
        )


async def stages(corpus: Corpus, folder: Path) -> list[Stage]:
    """Parsing and cutting, dense vectors, sparse vectors."""
    files: list[tuple[Path, str]] = []
    for number, (name, data) in enumerate(corpus.files):
        path = folder / f"{number}-{name}"
        await asyncio.to_thread(path.write_bytes, data)
        files.append((path, detect(name, None, data[:HEAD_BYTES])))
    parser, embedder, keywords = Parser(processes=1), StaticEmbedder(), Keywords()
    await parser.parse(*files[0])
    await embedder.embed_documents(["warm"])
    cut: list[list[str]] = []

    async def parse() -> None:
        for path, kind in files:
            result = await parser.parse(path, kind)
            cut.append([embedded_text("", chunk) for chunk in result.chunks])

    async def dense() -> None:
        for texts in cut:
            await embedder.embed_documents(texts)

    async def sparse() -> None:
        for texts in cut:
            language = document_language(texts)
            await asyncio.to_thread(keywords.embed_documents, texts, language)

    seconds = [await _timed(step) for step in (parse, dense, sparse)]
    await parser.close()
    chunks = sum(map(len, cut))
    names = ("parse and cut", "dense vectors", "sparse vectors, by language")
    return [
        Stage(name, spent, len(files), chunks, corpus.size)
        for name, spent in zip(names, seconds, strict=True)
    ]


async def _timed(step: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await step()
    return time.perf_counter() - started
