"""What tenants used, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from carrel.api import shapes
from carrel.api.dependencies import Admin, Opened
from carrel.api.native.usage import Period, report
from carrel.domain.ids import TenantId
from carrel.usage.report import GroupBy

router = APIRouter(prefix="/admin", tags=["admin"])


class GroupedPeriod(Period):
    """What a report is of, and whether its sums are by tenant, model or key."""

    group_by: GroupBy = "none"


Asked = Annotated[GroupedPeriod, Query()]


@router.get(
    "/usage",
    summary="Requests, tokens and cost of all tenants, by hour or day",
    response_model=shapes.UsageReport,
)
async def usage_of_all(admin: Admin, services: Opened, asked: Asked) -> Response:
    return await report(services, None, asked, asked.group_by)


@router.get(
    "/tenants/{tenant_id}/usage",
    summary="Requests, tokens and cost of one tenant",
    response_model=shapes.UsageReport,
)
async def usage_of_one(tenant_id: str, admin: Admin, services: Opened, asked: Asked) -> Response:
    tenant = await services.tenants.get(TenantId(tenant_id))
    return await report(services, tenant.id, asked, asked.group_by)
