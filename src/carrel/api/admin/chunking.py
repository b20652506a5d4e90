"""Whether a tenant's documents are cut as the settings say, for administrators."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from carrel.api.admin import shapes
from carrel.api.dependencies import Admin, Opened
from carrel.api.responses import Json
from carrel.domain.ids import TenantId

router = APIRouter(prefix="/admin/tenants/{tenant_id}/chunking", tags=["admin"])


@router.get(
    "",
    summary="How many documents were cut otherwise than the settings say",
    response_model=shapes.Chunking,
)
async def get(tenant_id: str, admin: Admin, services: Opened) -> Response:
    tenant = await services.tenants.get(TenantId(tenant_id))
    return Json(asdict(await services.recutting.standing(tenant.id)))


@router.post(
    "",
    status_code=202,
    summary="Cut some of them again, behind all else that the tenant has in the queue",
    response_model=shapes.Recut,
)
async def cut_again(
    tenant_id: str,
    admin: Admin,
    services: Opened,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    tenant = await services.tenants.get(TenantId(tenant_id))
    if queued := await services.recutting.queue(tenant.id, limit):
        told = {"documents": queued}
        await services.audit.add(
            admin, "tenant.recut", target=tenant.id, tenant_id=tenant.id, details=told
        )
    standing = asdict(await services.recutting.standing(tenant.id))
    return Json({**standing, "queued": queued}, status_code=202)
