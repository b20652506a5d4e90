"""API keys, for administrators. A secret is shown once, when its key is made."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from carrel.api.dependencies import Admin, Opened
from carrel.api.responses import Json
from carrel.domain.ids import KeyId, TenantId
from carrel.domain.key import TENANT_SCOPES, Key

router = APIRouter(prefix="/admin", tags=["admin"])
TenantScope = Literal["query", "search", "documents:read", "documents:write", "usage:read"]
Group = Annotated[str, Field(min_length=1, max_length=200)]


class NewKeyBody(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200)] = ""
    scopes: Annotated[list[TenantScope], Field(min_length=1)] = list(TENANT_SCOPES)  # pyright: ignore[reportAssignmentType]
    groups: Annotated[list[Group], Field(max_length=100)] = []
    expires_at: datetime | None = None


@router.post("/tenants/{tenant_id}/keys", status_code=201, summary="Make a key of a tenant")
async def create(tenant_id: str, body: NewKeyBody, admin: Admin, services: Opened) -> Response:
    expires_at = body.expires_at
    if expires_at is not None and expires_at.tzinfo is None:
        expires_at = expires_at.replace(tzinfo=UTC)
    made = await services.keys.create(
        TenantId(tenant_id),
        name=body.name,
        scopes=tuple(dict.fromkeys(body.scopes)),
        groups=tuple(dict.fromkeys(body.groups)),
        expires_at=expires_at,
    )
    return Json({**_key(made.key), "secret": made.secret}, status_code=201)


@router.get("/tenants/{tenant_id}/keys", summary="The keys of a tenant")
async def list_keys(tenant_id: str, admin: Admin, services: Opened) -> Response:
    tenant = await services.tenants.get(TenantId(tenant_id))
    return Json({"data": [_key(each) for each in await services.keys.of_tenant(tenant.id)]})


@router.delete("/keys/{key_id}", status_code=204, summary="Revoke a key")
async def revoke(key_id: str, admin: Admin, services: Opened) -> Response:
    await services.keys.revoke(KeyId(key_id))
    services.authenticator.forget(KeyId(key_id))
    return Response(status_code=204)


def _key(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "tenant_id": key.tenant_id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "groups": list(key.groups),
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "created_at": key.created_at,
    }
