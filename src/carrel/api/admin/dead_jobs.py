"""Jobs that were given up, for administrators: why, and once more."""

import dataclasses
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from carrel.api.admin import shapes
from carrel.api.dependencies import Admin, Opened
from carrel.api.responses import Json
from carrel.domain.ids import JobId, TenantId

router = APIRouter(prefix="/admin/dead-jobs", tags=["admin"])


@router.get("", summary="Jobs that were given up, newest first", response_model=shapes.DeadJobPage)
async def list_dead_jobs(
    admin: Admin,
    services: Opened,
    tenant_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: str | None = None,
) -> Response:
    found = await services.dead_jobs.list(
        tenant_id=TenantId(tenant_id) if tenant_id else None,
        limit=limit + 1,
        after=JobId(after) if after else None,
    )
    data = [dataclasses.asdict(each) for each in found[:limit]]
    return Json({"data": data, "has_more": len(found) > limit})


@router.post("/{job_id}/retry", status_code=202, summary="Try the job again")
async def retry(job_id: str, admin: Admin, services: Opened) -> Response:
    await services.dead_jobs.revive(JobId(job_id))
    return Json({"id": job_id, "status": "queued"}, status_code=202)
