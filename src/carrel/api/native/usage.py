"""What the tenant used: `/v1/usage`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from carrel.api import shapes
from carrel.api.dependencies import MayReadUsage, Opened
from carrel.api.responses import Json
from carrel.api.wire import usd
from carrel.domain.ids import TenantId
from carrel.domain.usage import UsageBucket
from carrel.services import Services
from carrel.usage.report import BucketSize, GroupBy, usage_report

router = APIRouter(prefix="/v1", tags=["usage"])
_GROUP_NAMES = {"tenant": "tenant_id", "model": "model", "key": "key_id"}


class Period(BaseModel):
    """What a report is of."""

    start: datetime | None = Field(default=None, description="default: 30 days before the end")
    end: datetime | None = Field(default=None, description="default: now")
    bucket: BucketSize = "day"


@router.get(
    "/usage", summary="Requests, tokens and cost by hour or day", response_model=shapes.UsageReport
)
async def usage(
    caller: MayReadUsage, services: Opened, period: Annotated[Period, Query()]
) -> Response:
    return await report(services, caller.tenant_id, period)


async def report(
    services: Services, tenant_id: TenantId | None, period: Period, group_by: GroupBy = "none"
) -> Response:
    """The report as a response; no tenant: over all of them."""
    until = _aware(period.end) or datetime.now(UTC) + timedelta(seconds=1)
    buckets = await usage_report(
        services.database,
        tenant_id,
        start=_aware(period.start) or until - timedelta(days=30),
        end=until,
        bucket=period.bucket,
        group_by=group_by,
    )
    return Json({"data": [_bucket(each, group_by) for each in buckets]})


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)


def _bucket(each: UsageBucket, group_by: GroupBy) -> dict[str, Any]:
    group = {_GROUP_NAMES[group_by]: each.group} if group_by != "none" else {}
    return {
        "start": each.start,
        **group,
        "requests": each.requests,
        "cache_hits": each.cache_hits,
        "unfinished": each.unfinished,
        "unpriced": each.unpriced,
        "prompt_tokens": each.prompt_tokens,
        "completion_tokens": each.completion_tokens,
        "embedding_tokens": each.embedding_tokens,
        "cost_usd": usd(each.cost_micro_usd),
        "saved_usd": usd(each.saved_micro_usd),
    }
