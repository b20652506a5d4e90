"""An upstream that sends exactly the bytes a test gives it, when the test lets it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from carrel.domain.answer import Message
from carrel.domain.document import Passage
from carrel.domain.ids import ChunkId, DocumentId
from carrel.generation.generator import Delta, Finish, GenerationRequest
from carrel.generation.openai_compatible import OpenAICompatibleGenerator

Handler = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


def passage(text: str = "Refunds take 30 days.", **changes: Any) -> Passage:
    fields: dict[str, Any] = {
        "chunk_id": ChunkId("chk_1"),
        "document_id": DocumentId("doc_1"),
        "version": 1,
        "title": "Refund policy",
        "text": text,
        "start": 0,
        "end": len(text),
        "heading": "",
        "page": None,
        "content_hash": "hash",
        "score": 0.9,
    }
    return Passage(**fields | changes)


def question(text: str = "How long do refunds take?", **changes: Any) -> GenerationRequest:
    fields: dict[str, Any] = {"passages": [passage()], "max_tokens": 100}
    return GenerationRequest(text, **fields | changes)


def turn(role: Any, content: str) -> Message:
    return Message(role, content)


def words(text: str) -> int:
    return len(text.split())


def generator_for(base_url: str, **changes: Any) -> OpenAICompatibleGenerator:
    arguments: dict[str, Any] = {"api_key": None, "model": "a-model", "count_tokens": words}
    return OpenAICompatibleGenerator(base_url=base_url, **arguments | changes)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """The base URL of a server that answers with *handler*."""
    app = web.Application()
    app.add_routes([web.post("/v1/chat/completions", handler), web.get("/stolen", handler)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.05, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def sending(
    *parts: bytes | asyncio.Event, content_type: str = "text/event-stream", cut: bool = False
) -> Handler:
    """A handler that writes *parts*, waits at each event among them, and ends, or breaks off."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for part in parts:
            if isinstance(part, asyncio.Event):
                await part.wait()
            else:
                await response.write(part)
        if cut:
            assert request.transport is not None
            request.transport.close()
        else:
            await response.write_eof()
        return response

    return handler


@asynccontextmanager
async def streaming(
    *parts: bytes | asyncio.Event, cut: bool = False, **generator: Any
) -> AsyncIterator[OpenAICompatibleGenerator]:
    """A generator whose upstream sends *parts*."""
    async with serving(sending(*parts, cut=cut)) as base_url:
        generating = generator_for(base_url, **generator)
        try:
            yield generating
        finally:
            await generating.close()


async def collect(
    generator: OpenAICompatibleGenerator, request: GenerationRequest | None = None
) -> tuple[str, Finish]:
    """The whole text, and the end."""
    events = [event async for event in generator.generate(request or question())]
    *deltas, finish = events
    assert all(isinstance(delta, Delta) for delta in deltas)
    assert isinstance(finish, Finish)
    return "".join(delta.text for delta in deltas if isinstance(delta, Delta)), finish
