"""Who may call what: the annotations that routes take their caller and services from."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from carrel.api.console import cookie
from carrel.domain.errors import InsufficientScope
from carrel.domain.ids import KeyId, RequestId, TenantId
from carrel.domain.key import Caller, Scope
from carrel.limits.ticket import Ticket
from carrel.services import Services
from carrel.tenancy.audit import Actor

_bearer = HTTPBearer(auto_error=False, description="an API key, `crl_…`, or a signed token")


@dataclass(frozen=True, slots=True)
class TenantCaller:
    """A caller on the data plane, with the id of its request and its way through the gate."""

    tenant_id: TenantId
    key_id: KeyId
    groups: tuple[str, ...]
    request_id: RequestId
    ticket: Ticket
    log_content: bool = False


def services(request: Request) -> Services:
    return request.app.state.services


Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


# Called, not depended on: each dependency costs a request about 50 µs.
async def _caller(request: Request, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    secret = credentials.credentials if credentials else await cookie.credential(request)
    caller = await services(request).authenticator.authenticate(secret)
    request.state.log = {"tenant_id": caller.tenant_id, "key_id": caller.key_id}
    return caller


def _allow(scope: Scope, *, admit: bool = True):
    async def allowed(request: Request, credentials: Credentials) -> TenantCaller:
        caller = await _caller(request, credentials)
        if caller.tenant_id is None:
            raise InsufficientScope("this is an admin key: use a tenant's key")
        if scope not in caller.scopes:
            raise InsufficientScope(f"this key lacks the scope {scope}")
        request_id: RequestId = request.state.request_id
        ticket = Ticket(services(request).gate, caller.tenant_id, request_id, caller)
        request.state.ticket = ticket
        if admit:
            await ticket.admit()
        return TenantCaller(
            caller.tenant_id,
            caller.key_id,
            caller.groups,
            request_id,
            ticket,
            caller.log_content,
        )

    return Depends(allowed)


async def _admin(request: Request, credentials: Credentials) -> Actor:
    caller = await _caller(request, credentials)
    if "admin" not in caller.scopes:
        raise InsufficientScope("this needs an admin key")
    return Actor(caller.key_id, request.state.request_id)


Opened = Annotated[Services, Depends(services)]
MayQuery = Annotated[TenantCaller, _allow("query")]
# Admitted by the route itself, which knows how many tokens the question may take.
MayAsk = Annotated[TenantCaller, _allow("query", admit=False)]
MaySearch = Annotated[TenantCaller, _allow("search")]
MayReadDocuments = Annotated[TenantCaller, _allow("documents:read")]
MayWriteDocuments = Annotated[TenantCaller, _allow("documents:write")]
MayReadUsage = Annotated[TenantCaller, _allow("usage:read")]
Admin = Annotated[Actor, Depends(_admin)]
