"""Signing in to the console, and out: an API key in exchange for a cookie.

The first key of a session is the one that signed in. An administrator adds keys of
tenants, whose data no admin key reads.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from carrel.api.console import cookie
from carrel.api.dependencies import Opened
from carrel.api.responses import Json
from carrel.domain.errors import CarrelError, InvalidApiKey
from carrel.domain.ids import TenantId
from carrel.domain.key import Caller
from carrel.services import Services
from carrel.tenancy.authenticate import MAX_CREDENTIAL
from carrel.tenancy.sessions import Entry, Session, begin

NEVER_STORED = {"cache-control": "no-store"}

# Not part of the public API: only a browser has use for it.
router = APIRouter(prefix="/console/session", include_in_schema=False)


class SignIn(BaseModel):
    """The key to sign in with, or to add to the session."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[str, Field(min_length=1, max_length=MAX_CREDENTIAL)]


@router.get("")
async def current(request: Request, services: Opened) -> Response:
    session = await cookie.opened(request)
    told = await shown(services, session) if session else None
    if told is None:
        raise InvalidApiKey("there is no session: sign in")
    return Json(told)


@router.post("")
async def sign_in(body: SignIn, request: Request, services: Opened) -> Response:
    """Begin a session, or add a key to the present one."""
    cookie.check_origin(request)
    secret = body.key.strip()
    caller = await services.authenticator.authenticate(secret)
    entry = Entry(caller.key_id, secret)
    present = await cookie.opened(request)
    session = present.with_entry(entry) if present and present.entries else begin(entry)
    response = Json(await shown(services, session), headers=NEVER_STORED)
    cookie.put(response, request, await services.sessions.seal(session), session)
    return response


@router.delete("", status_code=204)
async def sign_out(request: Request) -> Response:
    cookie.check_origin(request)
    response = Response(status_code=204, headers=NEVER_STORED)
    cookie.remove(response)
    return response


async def shown(services: Services, session: Session) -> dict[str, Any] | None:
    """What the console is told of a session; None when none of its keys holds any more."""
    told: list[dict[str, Any]] = []
    for entry in session.entries:
        try:
            caller = await services.authenticator.authenticate(entry.secret)
            told.append(await _key(services, caller))
        except CarrelError as error:
            if error.code not in ("invalid_api_key", "insufficient_scope", "not_found"):
                raise
    if not told:
        return None
    return {"keys": told, "expires_at": datetime.fromtimestamp(session.expires_at, UTC)}


async def _key(services: Services, caller: Caller) -> dict[str, Any]:
    tenant_id: TenantId | None = caller.tenant_id
    tenant = await services.tenants.get(tenant_id) if tenant_id else None
    return {
        "key_id": caller.key_id,
        "tenant_id": tenant_id,
        "tenant_name": tenant and tenant.name,
        "scopes": sorted(caller.scopes),
        "groups": list(caller.groups),
    }
