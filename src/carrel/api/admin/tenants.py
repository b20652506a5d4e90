"""Tenants, for administrators."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from carrel.api.admin.terms import TermsBody, Text, budget_json, limits_json
from carrel.api.dependencies import Admin, Opened
from carrel.api.responses import Json
from carrel.domain.errors import InvalidRequest
from carrel.domain.ids import TenantId
from carrel.domain.tenant import Isolation, Tenant, TenantStatus

router = APIRouter(prefix="/admin/tenants", tags=["admin"])
Name = Annotated[Text, Field(min_length=1, max_length=200)]


class NewTenant(TermsBody):
    """A tenant to make."""

    name: Name
    isolation: Isolation = "shared"


class TenantChange(TermsBody):
    """What is to change; null removes limits and budgets."""

    name: Name | None = None
    status: TenantStatus | None = None


@router.post("", status_code=201, summary="Make a tenant")
async def create(body: NewTenant, admin: Admin, services: Opened) -> Response:
    if body.isolation != "shared":
        raise InvalidRequest(
            "this version offers the isolation tier shared only", param="isolation"
        )
    tenant = await services.tenants.create(
        body.name,
        body.isolation,
        limits=body.new_limits(),
        budget=body.new_budget(),
        by=admin,
    )
    return Json(_tenant(tenant), status_code=201)


@router.get("", summary="All tenants")
async def list_tenants(admin: Admin, services: Opened) -> Response:
    return Json({"data": [_tenant(each) for each in await services.tenants.list()]})


@router.get("/{tenant_id}", summary="One tenant")
async def get(tenant_id: str, admin: Admin, services: Opened) -> Response:
    return Json(_tenant(await services.tenants.get(TenantId(tenant_id))))


@router.patch("/{tenant_id}", summary="Rename or suspend a tenant, or set its limits and budget")
async def change(tenant_id: str, body: TenantChange, admin: Admin, services: Opened) -> Response:
    tenant = await services.tenants.change(
        TenantId(tenant_id),
        name=body.name,
        status=body.status,
        limits=body.changed_limits(),
        budget=body.changed_budget(),
        by=admin,
    )
    await services.authenticator.forget()
    return Json(_tenant(tenant))


@router.delete("/{tenant_id}", status_code=204, summary="Erase a tenant and all its data")
async def delete(tenant_id: str, admin: Admin, services: Opened) -> Response:
    await services.erase_tenant(TenantId(tenant_id), by=admin)
    return Response(status_code=204)


def _tenant(tenant: Tenant) -> dict[str, Any]:
    status: Literal["active", "suspended"] = tenant.status
    return {
        "id": tenant.id,
        "name": tenant.name,
        "isolation": tenant.isolation,
        "limits": limits_json(tenant.limits),
        "budget": budget_json(tenant.budget),
        "status": status,
        "created_at": tenant.created_at,
        "updated_at": tenant.updated_at,
    }
