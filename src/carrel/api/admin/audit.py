"""What administrators did, for administrators."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from carrel.api.admin import shapes
from carrel.api.dependencies import Admin, Opened
from carrel.api.responses import Json
from carrel.domain.errors import InvalidRequest
from carrel.domain.filter import is_text
from carrel.domain.ids import TenantId

router = APIRouter(prefix="/admin/audit", tags=["admin"])


@router.get("", summary="What administrators did, newest first", response_model=shapes.AuditPage)
async def entries(
    admin: Admin,
    services: Opened,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: str | None = None,
    tenant_id: str | None = None,
) -> Response:
    for name, value in (("after", after), ("tenant_id", tenant_id)):
        if value is not None and not is_text(value):
            raise InvalidRequest(f"{name} is not valid text", param=name)
    found = await services.audit.entries(
        limit=limit + 1,
        after=after,
        tenant_id=None if tenant_id is None else TenantId(tenant_id),
    )
    page = [asdict(each) for each in found[:limit]]
    return Json(
        {
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": len(found) > limit,
        }
    )
