"""A real server whose neighbours can be made to fail: model, Redis and database behind proxies."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from bench.simulator.behaviour import Behaviour
from bench.simulator.server import Simulator
from tests.acceptance.server import ADMIN_KEY, Client, Server, running
from tests.faults.proxy import Proxy

QUESTION = "How long do refunds take?"
POLICY = "Refunds take 30 days after the return of the goods."
TOKENS = 100
MODEL = Behaviour(ttft_ms=20, tokens_per_second=200, tokens=TOKENS)
PRICES = '{"small": {"input": 10, "output": 20}}'


@dataclass
class Stage:
    """What runs, and a tenant with one document."""

    server: Server
    model: Simulator
    model_way: Proxy
    admin: Client
    tenant: Client
    tenant_id: str

    async def ask(self, question: str = QUESTION, **body: Any) -> tuple[int, Any]:
        """Status and body of an answer that no cache gives."""
        return await self.tenant.post(
            "/v1/query", {"question": question, "cache": "bypass", **body}
        )

    async def stream(self, question: str = QUESTION, **body: Any) -> "Streamed":
        """A streamed answer, read to its end."""
        async with self.streaming(question, **body) as stream:
            return await stream.rest()

    @contextlib.asynccontextmanager
    async def streaming(self, question: str = QUESTION, **body: Any) -> AsyncIterator["Streamed"]:
        """A streamed answer, after its first token."""
        sent = {"question": question, "stream": True, "cache": "bypass", **body}
        headers = {"authorization": f"Bearer {self.tenant.key}"}
        url = f"{self.tenant.url}/v1/query"
        async with self.tenant.session.post(url, json=sent, headers=headers) as response:
            streamed = Streamed(response, response.status)
            await streamed.read_to("delta")
            yield streamed

    async def allow(self, **terms: Any) -> None:
        """Set the tenant's limits or budget."""
        status, body = await self.admin.call(
            "PATCH", f"/admin/tenants/{self.tenant_id}", json=terms
        )
        assert status == 200, body

    async def usage(self, requests: int) -> dict[str, Any]:
        """The sums of the tenant's usage, once so many requests are counted."""
        async with asyncio.timeout(30):
            while True:
                status, report = await self.tenant.get("/v1/usage")
                if status == 200 and report["data"] and report["data"][0]["requests"] == requests:
                    return report["data"][0]
                await asyncio.sleep(0.05)

    async def until_ready(self, seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while not await asyncio.to_thread(self.server.is_ready):  # noqa: ASYNC110
                await asyncio.sleep(0.1)


@dataclass
class Streamed:
    """A streamed answer as it comes; `events` are names and data; `cut`: it has no proper end."""

    response: aiohttp.ClientResponse
    status: int
    cut: bool = False

    def __post_init__(self) -> None:
        self.events: list[tuple[str, Any]] = []
        self._buffer = b""

    @property
    def last(self) -> str:
        return self.events[-1][0] if self.events else ""

    @property
    def text(self) -> str:
        return "".join(data["text"] for name, data in self.events if name == "delta")

    async def read_to(self, name: str) -> None:
        """Read up to the first event called *name*, or to the end."""
        try:
            async for part in self.response.content.iter_any():
                self.take(part)
                if any(called == name for called, _ in self.events):
                    return
        except aiohttp.ClientError:
            self.cut = True

    async def rest(self) -> "Streamed":
        try:
            async for part in self.response.content.iter_any():
                self.take(part)
        except aiohttp.ClientError:
            self.cut = True
        return self

    def take(self, part: bytes) -> None:
        """Read *part* of the body."""
        *blocks, self._buffer = (self._buffer + part).split(b"\n\n")
        for block in blocks:
            fields = dict(
                line.split(": ", 1) for line in block.decode().split("\n") if ": " in line
            )
            if "event" in fields:
                self.events.append((fields["event"], json.loads(fields["data"])))


@contextlib.asynccontextmanager
async def stage(
    folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncGenerator[Stage]:
    """A server of the test's own, behind nothing; its model behind a proxy."""
    async with contextlib.AsyncExitStack() as stack:
        model = await stack.enter_async_context(Simulator(MODEL))
        way = await stack.enter_async_context(Proxy(model.base_url).serving())
        settings = {
            "CARREL_LLM__BASE_URL": way.url,
            "CARREL_LLM__MODEL": "small",
            "CARREL_LLM__FIRST_TOKEN_TIMEOUT_SECONDS": "1",
            "CARREL_LLM__TOKEN_TIMEOUT_SECONDS": "1",
            "CARREL_PRICES": PRICES,
            **(environment or {}),
        }
        # Starting blocks, and this loop serves what the server starts with.
        running_server = running(folder, settings)
        server = await asyncio.to_thread(running_server.__enter__)
        stack.push_async_callback(asyncio.to_thread, running_server.__exit__, None, None, None)
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        admin = Client(session, server.url, ADMIN_KEY)
        status, tenant = await admin.post("/admin/tenants", {"name": "acme"})
        assert status == 201, tenant
        _, key = await admin.post(f"/admin/tenants/{tenant['id']}/keys", {})
        client = admin.with_key(key["secret"])
        body = {"text": POLICY, "document_id": "policy"}
        status, document = await client.post("/v1/documents?wait=30", body)
        assert document["status"] == "ready", document
        yield Stage(server, model, way, admin, client, tenant["id"])
