"""The servers that are compared, each asked for the same: by the same prompt, in the same protocol.

Carrel is asked a question, and finds passages for it; the others are sent the very prompt that
Carrel makes of that question.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from bench.micro import text
from bench.micro.served import load
from bench.micro.upstream import MODEL, ask, direct_request
from bench.peers import litellm
from bench.peers.relay import KEY as BARE_KEY
from redis.asyncio import Redis
from tests.acceptance.server import ADMIN_KEY, Client, free_port, new_tenant, running

DOCUMENTS = 48
QUESTIONS = 48
PLENTY = {"requests_per_minute": 10**7, "tokens_per_minute": 10**9, "concurrent_requests": 10**5}
MAX_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and what it is sent: questions whose answers are streamed, and one asked before."""

    name: str
    port: int
    pid: int
    streamed: Sequence[str]
    repeated: str = ""


@dataclass(frozen=True, slots=True)
class Prompts:
    """Questions for Carrel, and the prompts that it makes of them, as bodies of requests."""

    questions: Sequence[str]
    requests: Sequence[dict[str, Any]]


@contextlib.asynccontextmanager
async def carrel(
    folder: Path, environment: Mapping[str, str], *, upstream: str, workers: int
) -> AsyncGenerator[tuple[int, int, Client]]:
    """A server with documents: its port, its first process, and a tenant's client."""
    settings = {
        "CARREL_LLM__BASE_URL": upstream,
        "CARREL_LLM__MODEL": MODEL,
        "CARREL_LLM__MAX_CONNECTIONS": "4096",
        "CARREL_PRICES": f'{{"{MODEL}": {{"input": 0.15, "output": 0.6}}}}',
        "CARREL_LOG__LEVEL": "warning",
        **environment,
    }
    arguments = ["--workers", str(workers)] if workers > 1 else []
    with running(folder, settings, arguments=arguments) as server:
        assert server.process is not None
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            admin = Client(session, server.url, ADMIN_KEY)
            tenant = await new_tenant(admin, "bench")
            _, tenants = await admin.get("/admin/tenants")
            path = f"/admin/tenants/{tenants['data'][0]['id']}"
            status, body = await admin.call("PATCH", path, json={"limits": PLENTY})
            assert status == 200, body
            await load(tenant, (text.document(n) for n in range(DOCUMENTS)))
            yield server.port, server.process.pid, tenant


async def prompts_of(tenant: Client) -> Prompts:
    """The prompts that the server makes of `QUESTIONS` questions."""
    questions = [text.question(n, documents=DOCUMENTS) for n in range(QUESTIONS)]
    requests: list[dict[str, Any]] = []
    for question in questions:
        body, _ = direct_request(question, await ask(tenant, question))
        requests.append(orjson.loads(body))
    return Prompts(questions, requests)


async def carrel_target(name: str, port: int, pid: int, tenant: Client, made: Prompts) -> Target:
    """Carrel, with one question asked before."""
    asked = {"model": MODEL, "messages": [{"role": "user", "content": made.questions[0]}]}
    for expected in ("miss", "exact"):
        status, answer = await tenant.post("/v1/chat/completions", asked)
        assert (status, answer["cache"]["status"]) == (200, expected), answer
    fresh = {"stream": True, "cache": "bypass", "max_tokens": MAX_TOKENS}
    bodies = [
        {"model": MODEL, "messages": [{"role": "user", "content": question}], **fresh}
        for question in made.questions
    ]
    key = tenant.key
    return Target(name, port, pid, [_http(b, key) for b in bodies], _http(asked, key))


async def litellm_target(port: int, pid: int, made: Prompts) -> Target:
    """The proxy, with one prompt sent before; what is streamed is neither looked up nor kept."""
    key = litellm.MASTER_KEY
    whole = {**made.requests[0], "stream": False}
    del whole["stream_options"]
    async with aiohttp.ClientSession() as session:
        client = Client(session, f"http://127.0.0.1:{port}", key)
        await _until_up(client)
        for _ in range(2):
            status, answer = await client.post("/v1/chat/completions", whole)
            assert status == 200, answer
            await asyncio.sleep(0.5)  # it keeps an answer after giving it
    fresh = {"cache": {"no-cache": True, "no-store": True}}
    bodies = [{**request, **fresh} for request in made.requests]
    return Target("LiteLLM", port, pid, [_http(b, key) for b in bodies], _http(whole, key))


@contextlib.contextmanager
def relay(upstream: str, redis_url: str, workers: int) -> Iterator[tuple[int, int]]:
    """The bare relay: its port and its first process."""
    port = free_port()
    words = [str(port), upstream, redis_url, str(workers)]
    with subprocess.Popen([sys.executable, "-m", "bench.peers.relay", *words]) as process:
        yield port, process.pid
        process.terminate()


async def relay_target(port: int, pid: int, redis_url: str, answer: bytes, made: Prompts) -> Target:
    """The relay; it gives *answer* to who asks for what was asked before."""
    redis = Redis.from_url(redis_url)
    await redis.set(BARE_KEY, answer)
    await redis.aclose()
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.05)
    repeated = {**made.requests[0], "stream": False}
    return Target(
        "bare relay", port, pid, [_http(b, "none") for b in made.requests], _http(repeated, "none")
    )


def direct_target(port: int, pid: int, made: Prompts) -> Target:
    """The simulator itself."""
    return Target("simulator", port, pid, [_http(b, "none") for b in made.requests])


def _http(body: object, key: str | None) -> str:
    text = orjson.dumps(body).decode()
    return (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        f"content-type: application/json\r\nauthorization: Bearer {key}\r\n"
        f"content-length: {len(text.encode())}\r\n\r\n{text}"
    )


async def _until_up(client: Client) -> None:
    async with asyncio.timeout(180):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                status, _ = await client.get("/health/readiness")
                if status == 200:
                    return
            await asyncio.sleep(0.2)
