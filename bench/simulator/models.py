"""A stand-in for a server of embeddings and rerankings, over any embedder, which fails on request.

It speaks OpenAI's `/v1/embeddings`, and `/v1/rerank` as Cohere, Jina, TEI and vLLM do. Scores of
a reranking are cosines.
"""

import asyncio
import base64
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from aiohttp import web

from carrel.embedding.embedder import Embedder


@dataclass(slots=True)
class ModelServer:
    """What it was asked, and what it is to answer; see `serving`.

    Each of `faults` is given in place of one answer, then the server does its work. `open` is
    cleared to have requests wait. `plain`: vectors as lists of numbers, whatever was asked for.
    `speaks_tei`: rerankings in TEI's shape alone.
    """

    embedder: Embedder
    base_url: str = ""
    most_texts: int = 2048
    plain: bool = False
    speaks_tei: bool = False
    usage: bool = True
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    faults: deque[web.Response] = field(default_factory=deque[web.Response])
    open: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    most_at_once: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def embeddings(self, request: web.Request) -> web.Response:
        body = await self._read(request)
        texts: list[str] = body["input"]
        if len(texts) > self.most_texts:
            return web.Response(status=413)
        async with self._counted():
            if self.faults:
                return self.faults.popleft()
            vectors = await self.embedder.embed_documents(texts)
        data = [
            {"object": "embedding", "index": number, "embedding": self._shown(vector, body)}
            for number, vector in enumerate(vectors)
        ]
        tokens = sum(map(self.embedder.count_tokens, texts))
        usage = {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}} if self.usage else {}
        # Servers may answer in any order: the index says which text a vector is of.
        return _json({"object": "list", "data": data[::-1], "model": body["model"]} | usage)

    async def rerank(self, request: web.Request) -> web.Response:
        body = await self._read(request)
        name = "texts" if self.speaks_tei else "documents"
        if name not in body:
            return web.Response(status=422)
        async with self._counted():
            if self.faults:
                return self.faults.popleft()
            question = await self.embedder.embed_query(body["query"])
            passages = await self.embedder.embed_documents(body[name])
        results = [
            {"index": number, "relevance_score": float(question @ vector)}
            for number, vector in enumerate(passages)
        ]
        results.sort(key=lambda each: -each["relevance_score"])
        if self.speaks_tei:
            return _json([{"index": r["index"], "score": r["relevance_score"]} for r in results])
        return _json({"results": results})

    async def reached(self, requests: int) -> None:
        """Return once so many requests are under way."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.at_once >= requests)

    async def _read(self, request: web.Request) -> dict[str, Any]:
        body = orjson.loads(await request.read())
        self.requests.append(body)
        self.headers.append(request.headers)
        return body

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        async with self._changed:
            self._changed.notify_all()
        try:
            await self.open.wait()
            yield
        finally:
            self.at_once -= 1

    def _shown(self, vector: Any, body: Mapping[str, Any]) -> str | list[float]:
        # Of another length than 1, as some servers send them.
        stretched = (np.asarray(vector) * 3).astype("<f4")
        if body.get("encoding_format") == "base64" and not self.plain:
            return base64.b64encode(stretched.tobytes()).decode()
        return stretched.tolist()


@asynccontextmanager
async def serving(embedder: Embedder, port: int = 0) -> AsyncIterator[ModelServer]:
    """A server on *port*, 0 for a free one, over *embedder*, which stays the caller's to close."""
    server = ModelServer(embedder)
    server.open.set()
    app = web.Application(client_max_size=64 << 20)
    app.add_routes(
        [web.post("/v1/embeddings", server.embeddings), web.post("/v1/rerank", server.rerank)]
    )
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.05, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


def _json(body: object) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
