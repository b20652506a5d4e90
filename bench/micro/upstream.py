"""The LLM simulator as a process of its own, and streamed requests timed the same way to both.

The direct request carries the very prompt that the server would send: it is
built from the sources that the server answered with.
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from tests.acceptance.server import Client

from carrel.domain.document import Passage
from carrel.domain.ids import ChunkId, DocumentId
from carrel.generation.generator import GenerationRequest
from carrel.generation.prompt import build

MODEL = "sim"
MAX_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Streamed:
    """Seconds to the first token and to the end of one streamed answer, with its body."""

    first_delta: float
    total: float
    body: bytes


@contextlib.asynccontextmanager
async def simulator(
    *, ttft_ms: float, tokens_per_second: float, tokens: int, places: int = 0
) -> AsyncGenerator[str]:
    """A running simulator's base URL, up to and with `/v1`. *places*: answers at once; 0: all."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.simulator", "--port", "0"),
        *("--ttft-ms", str(ttft_ms)),
        *("--tokens-per-second", str(tokens_per_second)),
        *("--tokens", str(tokens)),
        *("--places", str(places)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        yield line.split()[-1]
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def ask(tenant: Client, question: str) -> Streamed:
    """A question, streamed by the server."""
    body = {"question": question, "stream": True, "cache": "bypass", "max_tokens": MAX_TOKENS}
    assert tenant.key
    return await _stream(
        tenant.session, f"{tenant.url}/v1/query", body, key=tenant.key, mark=b"event: delta"
    )


async def ask_directly(session: aiohttp.ClientSession, base_url: str, request: bytes) -> Streamed:
    """A prompt, streamed by the simulator."""
    return await _stream(
        session, f"{base_url}/chat/completions", request, key="none", mark=b'"content":'
    )


def direct_request(question: str, answered: Streamed) -> tuple[bytes, int]:
    """The request that the server sent for *question*, and the prompt tokens it reported."""
    done = _event(answered.body, b"done")
    assert done["usage"]["completion_tokens"], "no LLM was asked: the question found nothing"
    passages = [_passage(source) for source in done["sources"]]
    messages = build(GenerationRequest(question=question, passages=passages, max_tokens=0))
    body = {
        "model": MODEL,
        "messages": [{"role": each.role, "content": each.content} for each in messages],
        "max_tokens": MAX_TOKENS,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.0,
    }
    return orjson.dumps(body), done["usage"]["prompt_tokens"]


def prompt_tokens(answered: Streamed) -> int:
    """What the simulator counted."""
    return int(answered.body.rpartition(b'"prompt_tokens":')[2].partition(b",")[0])


async def _stream(
    session: aiohttp.ClientSession, url: str, body: object, *, key: str, mark: bytes
) -> Streamed:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    first = 0.0
    parts: list[bytes] = []
    started = time.perf_counter()
    async with session.post(url, data=data, headers=headers) as response:
        async for part in response.content.iter_any():
            if not first and mark in part:
                first = time.perf_counter() - started
            parts.append(part)
        total = time.perf_counter() - started
        whole = b"".join(parts)
        assert response.status == 200, whole
    assert first, whole[-500:]
    return Streamed(first, total, whole)


def _event(body: bytes, name: bytes) -> dict[str, Any]:
    start = body.rindex(b"event: " + name + b"\ndata: ") + len(name) + 14
    return orjson.loads(body[start : body.index(b"\n", start)])


def _passage(source: dict[str, Any]) -> Passage:
    return Passage(
        chunk_id=ChunkId(source["chunk_id"]),
        document_id=DocumentId(source["document_id"]),
        version=1,
        title=source["title"],
        text=source["text"],
        start=0,
        end=0,
        heading=source["heading"],
        page=source["page"],
        content_hash="",
        score=source["score"],
    )
