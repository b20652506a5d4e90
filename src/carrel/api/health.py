"""Whether the server lives, whether it accepts work, and its metrics."""

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from carrel.api import shapes
from carrel.api.dependencies import Opened
from carrel.api.responses import Json
from carrel.telemetry import metrics

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="The event loop runs")
async def livez() -> dict[str, str]:
    return {"status": "alive"}


@router.get(
    "/readyz",
    summary="Accepting work, or 503 with what is missing",
    response_model=shapes.Readiness,
)
async def readyz(services: Opened, request: Request) -> Response:
    faults = await services.faults()
    if request.app.state.leaving.announced:
        faults["server"] = "it is stopping"
    body = {"status": "ready" if not faults else "not ready", "faults": faults}
    headers = {"retry-after": "1"} if faults else {}
    return Json(body, status_code=503 if faults else 200, headers=headers)


@router.get("/metrics", summary="Prometheus metrics")
async def prometheus() -> Response:
    # In a thread: it reads the files of every process of this server.
    text = await asyncio.to_thread(metrics.exposition)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
