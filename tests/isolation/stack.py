"""Carrel in this process: the application, a worker, and the vector engine as its child.

Requests are made to the ASGI application itself, through its middleware, credentials and routes,
without a socket: ten times the operations that a server answers in the same time.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from fastapi import FastAPI
from sqlalchemy import update
from tests.isolation.canary import new_canary

from carrel.asgi import create_app
from carrel.database.tables import jobs
from carrel.domain.ids import KeyId, TenantId
from carrel.domain.key import Scope
from carrel.jobs.worker import Worker
from carrel.services import Services, engine_folder, open_services, open_worker
from carrel.settings import Settings
from carrel.vectors.edge.process import EngineProcess


@dataclass(frozen=True)
class Backend:
    """What stores vectors and metadata: a name, and the settings that choose it."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


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
        sent = {"content-type": "application/json", **(headers or {})}
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
        exchange = _Exchange(b"" if body is None else json.dumps(body).encode())
        await self.app(scope, exchange.receive, exchange.send)
        return Reply(exchange.status, b"".join(exchange.pieces).decode())

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
    """A tenant with a key that may do everything a tenant's key may."""

    api: Api
    id: TenantId
    key_id: KeyId
    key: str
    canary: str

    async def call(self, method: str, path: str, **options: Any) -> Reply:
        return await self.api.call(method, path, key=self.key, **options)

    async def upload(self, document_id: str, text: str, *, wait: int = 30, **more: Any) -> Reply:
        body = {"document_id": document_id, "text": text, **more}
        return await self.call("POST", "/v1/documents", body=body, query=f"wait={wait}")

    async def search(self, query: str, **more: Any) -> Reply:
        return await self.call("POST", "/v1/search", body={"query": query, **more})

    async def ask(self, question: str, **more: Any) -> Reply:
        return await self.call("POST", "/v1/query", body={"question": question, **more})


async def new_tenant(api: Api, *, scopes: tuple[Scope, ...] | None = None) -> Tenant:
    canary = new_canary()
    tenant = await api.services.tenants.create(f"Tenant {canary}")
    chosen = {} if scopes is None else {"scopes": scopes}
    made = await api.services.keys.create(tenant.id, name=f"Key {canary}", **chosen)
    return Tenant(api, tenant.id, made.key.id, made.secret, canary)


@contextlib.asynccontextmanager
async def opened(folder: Path, backend: Backend, *, working: bool = True) -> AsyncIterator[Api]:
    """The whole stack with its data in *folder*, closed at the end of the block.

    Unless it is *working*, jobs wait until `Api.do_one_job`.
    """
    environment = {
        "CARREL_DATA_DIR": str(folder),
        "CARREL_INGESTION__CONCURRENCY": "4",
        **backend.environment,
    }
    with patch.dict("os.environ", environment):
        settings = Settings(_env_file=None)
    engine = EngineProcess(engine_folder(settings), settings.embedder.dimensions)
    await engine.start()
    try:
        await engine.wait_ready()
        async with open_services(settings) as services, open_worker(settings) as worker:
            app = create_app(settings)
            app.state.services = services
            with _impatient():
                tasks = [asyncio.create_task(worker.run())] if working else []
                yield Api(app, services, worker)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await engine.stop()


@contextlib.contextmanager
def _impatient():
    """Look for jobs and finished documents more often: thousands of uploads wait for both."""
    with (
        patch("carrel.jobs.worker.IDLE_SECONDS", 0.005),
        patch("carrel.ingestion.documents.LONGEST_PAUSE_SECONDS", 0.02),
    ):
        yield
