"""The embedder, and how many tenants' vectors are still of the one before, for administrators."""

from fastapi import APIRouter
from starlette.responses import Response

from carrel.api.admin import shapes
from carrel.api.dependencies import Admin, Opened
from carrel.api.responses import Json
from carrel.placement.embedders import tenants_by_embedder

router = APIRouter(prefix="/admin/embedder", tags=["admin"])


@router.get(
    "",
    summary="The embedder, and how many tenants' vectors are of which",
    response_model=shapes.Embedder,
)
async def get(admin: Admin, services: Opened) -> Response:
    counts = await tenants_by_embedder(services.database)
    identity = services.embedder.identity
    return Json(
        {
            "identity": identity,
            "tenants": counts,
            "tenants_left": sum(count for each, count in counts.items() if each != identity),
        }
    )
