"""Moves of tenants between isolation tiers, for administrators."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from carrel.api.admin import shapes
from carrel.api.dependencies import Admin, Opened
from carrel.api.responses import Json
from carrel.domain.ids import MoveId, TenantId
from carrel.domain.tenant import Isolation
from carrel.placement.moves import Move

router = APIRouter(prefix="/admin/tenants/{tenant_id}/moves", tags=["admin"])


class NewMove(BaseModel):
    """Where to: a tier, and for `dedicated` one of the servers that the settings name."""

    model_config = ConfigDict(extra="forbid")

    isolation: Isolation
    server: str | None = None


@router.post(
    "",
    status_code=202,
    summary="Move a tenant to a tier, and to the embedder",
    response_model=shapes.Move,
)
async def start(tenant_id: str, body: NewMove, admin: Admin, services: Opened) -> Response:
    services.check_tier(body.isolation, body.server)
    move = await services.moves.start(TenantId(tenant_id), body.isolation, body.server)
    told = {"isolation": move.isolation, "server": move.target.server}
    await services.audit.add(
        admin, "tenant.move", target=move.id, tenant_id=move.tenant_id, details=told
    )
    return Json(_shown(move), status_code=202)


@router.get("", summary="A tenant's moves, newest first", response_model=shapes.MoveList)
async def list_moves(tenant_id: str, admin: Admin, services: Opened) -> Response:
    tenant = await services.tenants.get(TenantId(tenant_id))
    return Json({"data": [_shown(each) for each in await services.moves.list(tenant.id)]})


@router.get(
    "/{move_id}",
    summary="One move: how far it is, and what was compared",
    response_model=shapes.Move,
)
async def get(tenant_id: str, move_id: str, admin: Admin, services: Opened) -> Response:
    return Json(_shown(await services.moves.get(TenantId(tenant_id), MoveId(move_id))))


def _shown(move: Move) -> dict[str, Any]:
    return {
        "id": move.id,
        "tenant_id": move.tenant_id,
        "isolation": move.isolation,
        "server": move.target.server,
        "embedder": move.target.embedder,
        "status": move.status,
        "progress": round(move.progress, 3),
        "report": move.report,
        "error": move.error,
        "created_at": move.created_at,
        "updated_at": move.updated_at,
    }
