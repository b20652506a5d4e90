"""A real server with a tenant, and documents put into it the way a customer would."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from tests.acceptance.server import ADMIN_KEY, Client, Server, new_tenant, running

UPLOADS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Served:
    """A running server, and clients with the admin's and with one tenant's key."""

    server: Server
    admin: Client
    tenant: Client

    @property
    def pid(self) -> int:
        """The process that started all others."""
        assert self.server.process is not None
        return self.server.process.pid


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was ingested, from the first upload until the last document was ready."""

    documents: int
    chunks: int
    seconds: float


@contextlib.asynccontextmanager
async def served(
    folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncGenerator[Served]:
    """A server with data of its own under *folder*, and a tenant in it."""
    with running(folder, environment) as server:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            admin = Client(session, server.url, ADMIN_KEY)
            tenant = await new_tenant(admin, "bench")
            yield Served(server, admin, tenant)


async def load(tenant: Client, texts: Iterable[str], *, prefix: str = "document") -> Loaded:
    """Upload *texts*, a few at a time, as Markdown files, and wait until all are ready."""
    turns = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def upload(name: str, text: str) -> None:
        async with turns:
            status, document = await tenant.upload(
                f"{name}.md", text.encode(), wait=0, document_id=name
            )
        assert status == 202, document

    files = {f"{prefix}-{number}": text for number, text in enumerate(texts)}
    started = time.perf_counter()
    uploads = {name: asyncio.create_task(upload(name, text)) for name, text in files.items()}
    chunks = 0
    # Waited for one after the other: each wait is work for the server, too.
    for name, uploaded in uploads.items():
        await uploaded
        chunks += await _chunks_once_ready(tenant, name)
    return Loaded(len(files), chunks, time.perf_counter() - started)


async def _chunks_once_ready(tenant: Client, name: str) -> int:
    while True:
        status, document = await tenant.get(f"/v1/documents/{name}?wait=60")
        assert status == 200, document
        assert document["status"] != "failed", document
        if document["status"] == "ready":
            return document["chunks"]
