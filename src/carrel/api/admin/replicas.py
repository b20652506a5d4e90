"""The API processes of a deployment, for administrators."""

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from carrel.api.admin import shapes
from carrel.api.dependencies import Admin, Opened
from carrel.api.responses import Json

router = APIRouter(prefix="/admin/replicas", tags=["admin"])


@router.get(
    "", summary="The API processes that share a Redis, by host", response_model=shapes.ReplicaList
)
async def replicas(admin: Admin, services: Opened) -> Response:
    here = services.roster.here
    living = await services.roster.living()
    data = [{**msgspec.to_builtins(each), "answers_this": each.id == here.id} for each in living]
    return Json({"data": data})
