"""nDCG@10 by embedder, with the product's fusion and languages.

`python -m bench.retrieval.embedders [KIND …]`; a minute for static, some more for a model.

The `http` embedder asks a local server over the weights of `onnx`, so its figure must be the same:
it is measured on one data set.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.models.minilm import minilm
from bench.retrieval import quality
from bench.retrieval.corpus import index, vector_store
from bench.retrieval.datasets import data_folder, load_chunkeval, load_xquad
from bench.retrieval.quality import renamed
from bench.simulator.models import serving

from carrel.embedding.embedder import Embedder
from carrel.embedding.http import HttpEmbedder
from carrel.embedding.onnx import OnnxEmbedder
from carrel.embedding.onnx_model import Source
from carrel.embedding.static import StaticEmbedder

KINDS = ("static", "onnx", "http")


@asynccontextmanager
async def opened(kind: str) -> AsyncIterator[Embedder]:
    """An embedder of *kind*; the last two over the same weights of MiniLM."""
    if kind == "static":
        yield StaticEmbedder()
        return
    folder = await asyncio.to_thread(minilm)
    onnx = OnnxEmbedder(Source("all-MiniLM-L6-v2", folder, folder))
    try:
        if kind == "onnx":
            yield onnx
            return
        async with serving(onnx) as server:
            http = HttpEmbedder(
                base_url=server.base_url,
                api_key=None,
                model="all-MiniLM-L6-v2",
                dimensions=onnx.dimensions,
                query_timeout_seconds=60,
            )
            yield http
            await http.close()
    finally:
        await onnx.close()


async def measure(kind: str, folder: Path) -> None:
    english, german = load_xquad(folder), load_xquad(folder, "de")
    chunkeval = load_chunkeval(folder)
    mixed = {f"{d.name}/{k}": v for d in (english, german) for k, v in d.documents.items()}
    async with opened(kind) as embedder, vector_store(embedder.dimensions) as store:
        for data in (english,) if kind == "http" else (english, german):
            corpus = await index(store, data.name, data.documents, language=None, embedder=embedder)
            found = await quality.documents_found(data, corpus.search_documents)
            print(f"{embedder.identity:<40} {data.name:<24} {found:.4f}", flush=True)
        if kind == "http":
            return
        corpus = await index(store, "chunks", chunkeval.documents, language=None, embedder=embedder)
        found = await quality.chunks_found(chunkeval, corpus.search, corpus.spans)
        print(f"{embedder.identity:<40} {'chunkeval':<24} {found:.4f}", flush=True)
        corpus = await index(store, "mixed", mixed, language=None, embedder=embedder)
        for data in (english, german):
            found = await quality.documents_found(
                renamed(data, f"{data.name}/"), corpus.search_documents
            )
            shown = f"{data.name}, both in one"
            print(f"{embedder.identity:<40} {shown:<24} {found:.4f}", flush=True)


if __name__ == "__main__":
    for chosen in sys.argv[1:] or KINDS:
        asyncio.run(measure(chosen, data_folder()))
