"""Tenants, for administrators."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from carrel.api.admin import shapes
from carrel.api.admin.erasures import shown
from carrel.api.admin.terms import TenantTermsBody, Text, budget_json, limits_json, quotas_json
from carrel.api.dependencies import Admin, Opened
from carrel.api.responses import Json
from carrel.domain.ids import TenantId
from carrel.domain.tenant import Isolation, SemanticCache, Tenant

router = APIRouter(prefix="/admin/tenants", tags=["admin"])
Name = Annotated[Text, Field(min_length=1, max_length=200)]


class NewTenant(TenantTermsBody):
    """A tenant to make."""

    name: Name
    isolation: Isolation = "shared"
    server: str | None = None


class TenantChange(TenantTermsBody):
    """What is to change; null removes limits and budgets."""

    name: Name | None = None
    status: Literal["active", "suspended"] | None = None
    log_content: bool | None = None
    semantic_cache: SemanticCache | None = None


@router.post("", status_code=201, summary="Make a tenant", response_model=shapes.Tenant)
async def create(body: NewTenant, admin: Admin, services: Opened) -> Response:
    services.check_tier(body.isolation, body.server)
    tenant = await services.tenants.create(
        body.name,
        body.isolation,
        body.server,
        limits=body.new_limits(),
        quotas=body.new_quotas(),
        budget=body.new_budget(),
        by=admin,
    )
    return Json(_tenant(tenant), status_code=201)


@router.get("", summary="All tenants", response_model=shapes.TenantList)
async def list_tenants(admin: Admin, services: Opened) -> Response:
    return Json({"data": [_tenant(each) for each in await services.tenants.list()]})


@router.get("/{tenant_id}", summary="One tenant", response_model=shapes.Tenant)
async def get(tenant_id: str, admin: Admin, services: Opened) -> Response:
    return Json(_tenant(await services.tenants.get(TenantId(tenant_id))))


@router.patch(
    "/{tenant_id}",
    summary="Rename or suspend a tenant, or set its limits and budget",
    response_model=shapes.Tenant,
)
async def change(tenant_id: str, body: TenantChange, admin: Admin, services: Opened) -> Response:
    tenant = await services.tenants.change(
        TenantId(tenant_id),
        name=body.name,
        status=body.status,
        log_content=body.log_content,
        semantic_cache=body.semantic_cache,
        limits=body.changed_limits(),
        quotas=body.changed_quotas(),
        budget=body.changed_budget(),
        by=admin,
    )
    await services.authenticator.forget()
    return Json(_tenant(tenant))


@router.delete(
    "/{tenant_id}",
    status_code=204,
    summary="Erase a tenant and all its data",
    responses={202: {"description": "The tenant is gone; its data is still being erased"}},
)
async def delete(
    tenant_id: str,
    admin: Admin,
    services: Opened,
    wait: Annotated[int, Query(ge=0, le=60)] = 30,
) -> Response:
    """204 once a sweep has found nothing left; 202 with the report if that takes longer."""
    erasure = await services.erase_tenant(TenantId(tenant_id), wait_seconds=wait, by=admin)
    if erasure.status != "done":
        return Json(shown(erasure), status_code=202)
    return Response(status_code=204, headers={"x-carrel-erasure": erasure.id})


@router.delete("/{tenant_id}/cache", status_code=204, summary="Forget a tenant's kept answers")
async def clear_cache(tenant_id: str, admin: Admin, services: Opened) -> Response:
    await services.tenants.get(TenantId(tenant_id))
    await services.forget_answers(TenantId(tenant_id))
    return Response(status_code=204)


def _tenant(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "name": tenant.name,
        "isolation": tenant.isolation,
        "server": tenant.server,
        "embedder": tenant.embedder,
        "limits": limits_json(tenant.limits) | quotas_json(tenant.quotas),
        "budget": budget_json(tenant.budget),
        "status": tenant.status,
        "log_content": tenant.log_content,
        "semantic_cache": tenant.semantic_cache,
        "created_at": tenant.created_at,
        "updated_at": tenant.updated_at,
    }
