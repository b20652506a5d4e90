"""Whether the server lives, whether it accepts work, and its metrics."""

from fastapi import APIRouter
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
async def readyz(services: Opened) -> Response:
    faults = await services.faults()
    body = {"status": "ready" if not faults else "not ready", "faults": faults}
    headers = {"retry-after": "1"} if faults else {}
    return Json(body, status_code=503 if faults else 200, headers=headers)


@router.get("/metrics", summary="Prometheus metrics")
async def prometheus() -> Response:
    return Response(metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")
