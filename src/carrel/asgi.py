"""The ASGI application: lifespan, middleware, routes."""

import contextlib
from collections.abc import AsyncGenerator

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp, Receive, Scope, Send

from carrel import __version__
from carrel.api import errors, health
from carrel.api.admin import (
    audit,
    chunking,
    dead_jobs,
    embedder,
    erasures,
    failures,
    isolation,
    keys,
    moves,
    replicas,
    tenants,
)
from carrel.api.admin import usage as admin_usage
from carrel.api.console import files, session
from carrel.api.leaving import Leaving
from carrel.api.middleware import RequestContext
from carrel.api.native import (
    bulk,
    chunks,
    document_progress,
    documents,
    feedback,
    query,
    resume,
    usage,
)
from carrel.api.openai import chat, embeddings, models
from carrel.api.repeats import Repeats
from carrel.services import open_services
from carrel.settings import Settings, load_settings
from carrel.telemetry.log import configure_logging

# Room for a multipart envelope and its fields around the largest file.
ENVELOPE_BYTES = 1_000_000
# The framework's own would quote what was asked; ours is in carrel.telemetry.
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
ROUTERS = (
    query.router,
    resume.router,
    feedback.router,
    bulk.router,
    document_progress.router,  # before those of documents, whose ids are paths
    documents.router,
    chunks.router,
    usage.router,
    chat.router,
    embeddings.router,
    models.router,
    tenants.router,
    moves.router,
    erasures.router,
    dead_jobs.router,
    failures.router,
    embedder.router,
    chunking.router,
    isolation.router,
    replicas.router,
    keys.router,
    audit.router,
    admin_usage.router,
    health.router,
    session.router,
    files.router,
)


def create_app(settings: Settings | None = None, *, processes: int = 1) -> FastAPI:
    """The application; without *settings*, those of the environment.

    *processes*: how many of this host run it.

    Raises:
        SettingsError: the environment does not make valid settings.
    """
    chosen = settings or load_settings()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        configure_logging(chosen.log.level, chosen.log.format)
        async with open_services(chosen, processes=processes) as services:
            app.state.services = services
            yield

    app = _Application(
        title="Carrel",
        version=__version__,
        summary="RAG for many tenants: isolated, cited, streamed, metered.",
        lifespan=lifespan,
        redoc_url=None,
        telemetry=_NO_TELEMETRY,
    )
    app.state.leaving = Leaving()
    errors.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.surrounded = RequestContext(
        Repeats(app.framework, app.state),
        max_body_bytes=chosen.ingestion.max_upload_bytes + ENVELOPE_BYTES,
    )
    return app


class _Application(FastAPI):
    """FastAPI, and around all of it what surrounds every request."""

    surrounded: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self  # as Starlette does, for whoever is asked before it
        await self.surrounded(scope, receive, send)

    async def framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Routes and dependencies, with FastAPI's own middleware."""
        await super().__call__(scope, receive, send)
