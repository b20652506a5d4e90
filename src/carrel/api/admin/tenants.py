"""Tenants, for administrators."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from carrel.api.dependencies import Admin, Opened
from carrel.api.responses import Json
from carrel.domain.errors import InvalidRequest
from carrel.domain.ids import TenantId
from carrel.domain.tenant import Isolation, Tenant, TenantStatus

router = APIRouter(prefix="/admin/tenants", tags=["admin"])
Name = Annotated[str, Field(min_length=1, max_length=200)]


class NewTenant(BaseModel):
    """A tenant to make."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    isolation: Isolation = "shared"


class TenantChange(BaseModel):
    """What is to change."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    status: TenantStatus | None = None
    log_content: bool | None = None


@router.post("", status_code=201, summary="Make a tenant")
async def create(body: NewTenant, admin: Admin, services: Opened) -> Response:
    if body.isolation != "shared":
        raise InvalidRequest(
            "this version offers the isolation tier shared only", param="isolation"
        )
    return Json(_tenant(await services.tenants.create(body.name, body.isolation)), status_code=201)


@router.get("", summary="All tenants")
async def list_tenants(admin: Admin, services: Opened) -> Response:
    return Json({"data": [_tenant(each) for each in await services.tenants.list()]})


@router.get("/{tenant_id}", summary="One tenant")
async def get(tenant_id: str, admin: Admin, services: Opened) -> Response:
    return Json(_tenant(await services.tenants.get(TenantId(tenant_id))))


@router.patch("/{tenant_id}", summary="Rename or suspend a tenant")
async def change(tenant_id: str, body: TenantChange, admin: Admin, services: Opened) -> Response:
    changes = body.model_dump(exclude_unset=True)
    tenant = await services.tenants.change(TenantId(tenant_id), **changes)
    services.authenticator.forget()
    return Json(_tenant(tenant))


@router.delete("/{tenant_id}", status_code=204, summary="Erase a tenant and all its data")
async def delete(tenant_id: str, admin: Admin, services: Opened) -> Response:
    await services.erase_tenant(TenantId(tenant_id))
    return Response(status_code=204)


def _tenant(tenant: Tenant) -> dict[str, Any]:
    status: Literal["active", "suspended"] = tenant.status
    return {
        "id": tenant.id,
        "name": tenant.name,
        "isolation": tenant.isolation,
        "limits": {
            "requests_per_minute": tenant.limits.requests_per_minute,
            "tokens_per_minute": tenant.limits.tokens_per_minute,
            "concurrent_requests": tenant.limits.concurrent_requests,
        },
        "budget": None,
        "status": status,
        "log_content": tenant.log_content,
        "created_at": tenant.created_at,
        "updated_at": tenant.updated_at,
    }
