"""Carrel in this process: the application, a worker, and the vector engine as its child.

Requests are made to the ASGI application itself, through its middleware, credentials and routes,
without a socket: ten times the operations that a server answers in the same time.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from fastapi import FastAPI
from sqlalchemy import update
from tests.acceptance.server import ADMIN_KEY
from tests.isolation.backends import DEDICATED, Backend, settings_of
from tests.isolation.canary import new_canary

from carrel.asgi import create_app
from carrel.database.tables import jobs
from carrel.domain.ids import KeyId, TenantId
from carrel.domain.key import Scope
from carrel.domain.tenant import Isolation
from carrel.jobs.worker import Worker
from carrel.placement.homes import Homes, Index
from carrel.placement.moves import ENDED, Move
from carrel.resources.vectors import check_vectors, open_dedicated
from carrel.services import Services, open_services
from carrel.settings import Settings
from carrel.spaces import engine_folder, spaces
from carrel.vectors.edge.process import EngineProcess
from carrel.working import open_worker


@dataclass(frozen=True)
class Reply:
    """A response, whole."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Api:
    """The application, the services behind it, and its worker."""

    app: FastAPI
    services: Services
    worker: Worker

    async def call(
        self,
        method: str,
        path: str,
        *,
        key: str | None = None,
        body: Any = None,
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """The reply to one request; *path* is as the server decodes it, *body* is sent as JSON."""
        data = b"" if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json", "content-length": str(len(data))}
        sent |= headers or {}
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "root_path": "",
        }
        exchange = _Exchange(data)
        await self.app(scope, exchange.receive, exchange.send)
        return Reply(exchange.status, b"".join(exchange.pieces).decode())

    async def administer(self, method: str, path: str, **options: Any) -> Reply:
        """The reply to an administrator."""
        return await self.call(method, f"/admin/{path}", key=ADMIN_KEY, **options)

    async def do_one_job(self) -> str | None:
        """Carry out the oldest job, in a stack that is not working; its kind."""
        job = await self.worker._claim()
        if job is not None:
            await self.worker._carry_out(job)
        return job and job.kind

    async def until_due(self) -> None:
        """Make every job that waits for its next try due now."""
        async with self.services.database.write() as connection:
            await connection.execute(update(jobs).values(run_after=datetime.now(UTC)))


class _Exchange:
    """A client's side of one request."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._done = asyncio.Event()
        self.status = 0
        self.pieces: list[bytes] = []

    async def receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._done.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            self._done.set()


@dataclass(frozen=True)
class Tenant:
    """A tenant with a key that may do everything a tenant's key may, within the key's groups."""

    api: Api
    id: TenantId
    key_id: KeyId
    key: str
    canary: str
    groups: tuple[str, ...] = ()

    async def in_groups(self, *groups: str) -> "Tenant":
        """The same tenant, to a caller of *groups*."""
        made = await self.api.services.keys.create(self.id, groups=groups)
        return replace(self, key_id=made.key.id, key=made.secret, groups=groups)

    async def call(self, method: str, path: str, **options: Any) -> Reply:
        return await self.api.call(method, path, key=self.key, **options)

    async def upload(self, document_id: str, text: str, *, wait: int = 30, **more: Any) -> Reply:
        body = {"document_id": document_id, "text": text, **more}
        return await self.call("POST", "/v1/documents", body=body, query=f"wait={wait}")

    async def move(self, isolation: Isolation) -> Move:
        """The move to a tier, once it has come to its end."""
        store = self.api.services.moves
        move = await store.start(self.id, isolation, server_of(isolation))
        async with asyncio.timeout(60):
            while move.status not in ENDED:
                await asyncio.sleep(0.01)
                move = await store.get(self.id, move.id)
        return move

    async def search(self, query: str, **more: Any) -> Reply:
        return await self.call("POST", "/v1/search", body={"query": query, **more})

    async def ask(self, question: str, **more: Any) -> Reply:
        return await self.call("POST", "/v1/query", body={"question": question, **more})


def server_of(isolation: Isolation) -> str | None:
    """The server that a tenant of this tier is on."""
    return DEDICATED if isolation == "dedicated" else None


async def new_tenant(
    api: Api, isolation: Isolation = "shared", *, scopes: tuple[Scope, ...] | None = None
) -> Tenant:
    canary = new_canary()
    tenant = await api.services.tenants.create(f"Tenant {canary}", isolation)
    chosen = {} if scopes is None else {"scopes": scopes}
    made = await api.services.keys.create(tenant.id, name=f"Key {canary}", **chosen)
    return Tenant(api, tenant.id, made.key.id, made.secret, canary)


def homes(api: Api) -> Homes:
    """Where tenants' points are; a server that this opens is left to the end of the process."""
    services = api.services
    [space, *_] = spaces(services.settings)
    dedicated = partial(open_dedicated, services.settings, space)
    return Homes(services.database, {space.identity: Index(services.vectors, dedicated)})


@contextlib.asynccontextmanager
async def opened(
    folder: Path,
    backend: Backend,
    *,
    working: bool = True,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Api]:
    """The whole stack with its data in *folder*, closed at the end of the block.

    Unless it is *working*, jobs wait until `Api.do_one_job`.
    """
    settings = settings_of(
        {
            "CARREL_ADMIN_KEY": ADMIN_KEY,
            "CARREL_INGESTION__CONCURRENCY": "4",
            **await backend.environment(folder),
            **(environment or {}),
        }
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_impatient())
        await stack.enter_async_context(_vectors(settings))
        services = await stack.enter_async_context(open_services(settings))
        worker = await stack.enter_async_context(open_worker(settings))
        app = create_app(settings)
        app.state.services = services
        tasks = [asyncio.create_task(worker.run())] if working else []
        yield Api(app, services, worker)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def _vectors(settings: Settings) -> AsyncIterator[None]:
    """What the supervisor of a server starts, or makes ready."""
    if settings.qdrant_url is not None:
        await check_vectors(settings)
        yield
        return
    async with contextlib.AsyncExitStack() as stack:
        for space in spaces(settings):
            engine = EngineProcess(engine_folder(settings, space), space.dimensions)
            await engine.start()
            stack.push_async_callback(engine.stop)
            await engine.wait_ready()
        yield


@contextlib.contextmanager
def _impatient():
    """Wait less: thousands of uploads and hundreds of moves do.

    A search in the home that its tenant has left may still take as long as a slow machine needs.
    """
    with (
        patch("carrel.jobs.worker.IDLE_SECONDS", 0.005),
        patch("carrel.jobs.queue.PAUSE_SECONDS", 0.005),
        patch("carrel.ingestion.documents.LONGEST_PAUSE_SECONDS", 0.02),
        patch("carrel.placement.homes.REMEMBERED_SECONDS", 0.05),
        patch("carrel.placement.mover.REMEMBERED_SECONDS", 0.05),
        patch("carrel.placement.mover.LONGEST_SEARCH_SECONDS", 1.0),
    ):
        yield
