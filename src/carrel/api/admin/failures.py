"""Requests that failed of late, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from carrel.api.admin import shapes
from carrel.api.dependencies import Admin, Opened
from carrel.api.responses import Json
from carrel.usage.failures import KEPT

router = APIRouter(prefix="/admin/failures", tags=["admin"])


@router.get(
    "",
    summary="Requests that failed by no fault of theirs (5xx), newest first",
    response_model=shapes.FailureList,
)
async def failures(
    admin: Admin, services: Opened, limit: Annotated[int, Query(ge=1, le=KEPT)] = 100
) -> Response:
    return Json({"data": list(await services.failures.newest(limit))})
