"""API keys, for administrators. A secret is shown once, when its key is made."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from carrel.api.admin import shapes
from carrel.api.admin.terms import TermsBody, Text, budget_json, limits_json
from carrel.api.dependencies import Admin, Opened
from carrel.api.responses import Json
from carrel.domain.ids import KeyId, TenantId
from carrel.domain.key import TENANT_SCOPES, Key
from carrel.tenancy.terms import UNCHANGED

MAX_OVERLAP_SECONDS = 30 * 86_400

router = APIRouter(prefix="/admin", tags=["admin"])
TenantScope = Literal["query", "search", "documents:read", "documents:write", "usage:read"]
Name = Annotated[Text, Field(max_length=200)]
Scopes = Annotated[list[TenantScope], Field(min_length=1)]
Group = Annotated[Text, Field(min_length=1, max_length=200)]
Groups = Annotated[list[Group], Field(max_length=100)]
# A moment without a zone is UTC.
Moment = Annotated[
    datetime, AfterValidator(lambda at: at if at.tzinfo is not None else at.replace(tzinfo=UTC))
]


class NewKeyBody(TermsBody):
    """A key to make."""

    name: Name = ""
    scopes: Scopes | None = None
    groups: Groups = Field(default_factory=list[str])
    expires_at: Moment | None = None


class KeyChange(TermsBody):
    """What is to change; null removes limits, budget and expiry."""

    name: Name | None = None
    scopes: Scopes | None = None
    groups: Groups | None = None
    expires_at: Moment | None = None


class Rotation(BaseModel):
    """How long the old key and the new one both work."""

    model_config = ConfigDict(extra="forbid")

    overlap_seconds: Annotated[int, Field(ge=0, le=MAX_OVERLAP_SECONDS)] = 86_400


@router.post(
    "/tenants/{tenant_id}/keys",
    status_code=201,
    summary="Make a key of a tenant",
    response_model=shapes.NewKey,
)
async def create(tenant_id: str, body: NewKeyBody, admin: Admin, services: Opened) -> Response:
    made = await services.keys.create(
        TenantId(tenant_id),
        name=body.name,
        scopes=tuple(dict.fromkeys(body.scopes or TENANT_SCOPES)),
        groups=tuple(dict.fromkeys(body.groups)),
        expires_at=body.expires_at,
        limits=body.new_limits(),
        budget=body.new_budget(),
        by=admin,
    )
    return Json({**_key(made.key), "secret": made.secret}, status_code=201)


@router.get(
    "/tenants/{tenant_id}/keys", summary="The keys of a tenant", response_model=shapes.KeyList
)
async def list_keys(tenant_id: str, admin: Admin, services: Opened) -> Response:
    tenant = await services.tenants.get(TenantId(tenant_id))
    return Json({"data": [_key(each) for each in await services.keys.of_tenant(tenant.id)]})


@router.patch(
    "/keys/{key_id}",
    summary="Change a key's name, scopes, groups, limits or expiry",
    response_model=shapes.Key,
)
async def change(key_id: str, body: KeyChange, admin: Admin, services: Opened) -> Response:
    key = await services.keys.change(
        KeyId(key_id),
        name=body.name,
        scopes=None if body.scopes is None else tuple(dict.fromkeys(body.scopes)),
        groups=None if body.groups is None else tuple(dict.fromkeys(body.groups)),
        expires_at=body.expires_at if "expires_at" in body.model_fields_set else UNCHANGED,
        limits=body.changed_limits(),
        budget=body.changed_budget(),
        by=admin,
    )
    await services.authenticator.forget(key.id)
    return Json(_key(key))


@router.post(
    "/keys/{key_id}/rotate",
    status_code=201,
    summary="Make a key in the place of another",
    response_model=shapes.NewKey,
)
async def rotate(
    key_id: str, admin: Admin, services: Opened, body: Rotation | None = None
) -> Response:
    overlap = timedelta(seconds=(body or Rotation()).overlap_seconds)
    made = await services.keys.rotate(KeyId(key_id), overlap=overlap, by=admin)
    await services.authenticator.forget(KeyId(key_id))
    return Json({**_key(made.key), "secret": made.secret}, status_code=201)


@router.delete("/keys/{key_id}", status_code=204, summary="Revoke a key")
async def revoke(key_id: str, admin: Admin, services: Opened) -> Response:
    await services.keys.revoke(KeyId(key_id), by=admin)
    await services.authenticator.forget(KeyId(key_id))
    return Response(status_code=204)


def _key(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "tenant_id": key.tenant_id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "groups": list(key.groups),
        "limits": limits_json(key.limits),
        "budget": budget_json(key.budget),
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "created_at": key.created_at,
        "replaced_by": key.replaced_by,
    }
