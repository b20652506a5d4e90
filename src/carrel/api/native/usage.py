"""What the tenant used: `/v1/usage`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from carrel.api.dependencies import MayReadUsage, Opened
from carrel.api.responses import Json
from carrel.api.wire import usd
from carrel.domain.usage import UsageBucket
from carrel.usage.report import BucketSize, usage_report

router = APIRouter(prefix="/v1", tags=["usage"])
Start = Annotated[datetime | None, Query(description="default: 30 days ago")]
End = Annotated[datetime | None, Query(description="default: now")]


@router.get("/usage", summary="Requests, tokens and cost by hour or day")
async def usage(
    caller: MayReadUsage,
    services: Opened,
    start: Start = None,
    end: End = None,
    bucket: BucketSize = "day",
) -> Response:
    until = _aware(end) or datetime.now(UTC) + timedelta(seconds=1)
    buckets = await usage_report(
        services.database,
        caller.tenant_id,
        start=_aware(start) or until - timedelta(days=30),
        end=until,
        bucket=bucket,
    )
    return Json({"data": [_bucket(each) for each in buckets]})


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)


def _bucket(each: UsageBucket) -> dict[str, object]:
    return {
        "start": each.start,
        "requests": each.requests,
        "cache_hits": each.cache_hits,
        "prompt_tokens": each.prompt_tokens,
        "completion_tokens": each.completion_tokens,
        "embedding_tokens": each.embedding_tokens,
        "cost_usd": usd(each.cost_micro_usd),
        "saved_usd": usd(each.saved_micro_usd),
    }
