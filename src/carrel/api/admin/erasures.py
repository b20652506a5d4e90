"""What was erased, and what a sweep found of it afterwards: for administrators."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from carrel.api.admin import shapes
from carrel.api.dependencies import Admin, Opened
from carrel.api.responses import Json
from carrel.domain.ids import ErasureId, TenantId
from carrel.erasure.reports import Erasure

router = APIRouter(prefix="/admin/erasures", tags=["admin"])


@router.get("", summary="Reports of erasures, newest first", response_model=shapes.ErasurePage)
async def list_erasures(
    admin: Admin,
    services: Opened,
    tenant_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: str | None = None,
) -> Response:
    found = await services.erasures.list(
        tenant_id=TenantId(tenant_id) if tenant_id else None,
        limit=limit + 1,
        after=ErasureId(after) if after else None,
    )
    page = [shown(each) for each in found[:limit]]
    return Json(
        {
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": len(found) > limit,
        }
    )


@router.get("/{erasure_id}", summary="One report", response_model=shapes.Erasure)
async def get(erasure_id: str, admin: Admin, services: Opened) -> Response:
    return Json(shown(await services.erasures.get(ErasureId(erasure_id))))


def shown(erasure: Erasure) -> dict[str, Any]:
    return {
        "id": erasure.id,
        "tenant_id": erasure.tenant_id,
        "document_id": erasure.document_id,
        "status": erasure.status,
        "found": erasure.found,
        "left": erasure.left,
        "created_at": erasure.created_at,
        "updated_at": erasure.updated_at,
    }
