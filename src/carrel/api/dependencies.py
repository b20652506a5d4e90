"""Who may call what: the annotations that routes take their caller and services from."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from carrel.api.console import cookie
from carrel.domain.errors import InsufficientScope
from carrel.domain.ids import KeyId, RequestId, TenantId
from carrel.domain.key import Caller, Scope
from carrel.domain.tenant import Isolation, SemanticCache
from carrel.limits.gate import Gate
from carrel.limits.ticket import Ticket
from carrel.services import Services
from carrel.telemetry import trace
from carrel.tenancy.audit import Actor


@dataclass(frozen=True, slots=True)
class TenantCaller:
    """A caller on the data plane, with the id of its request and its way through the gate."""

    tenant_id: TenantId
    key_id: KeyId
    groups: tuple[str, ...]
    request_id: RequestId
    ticket: Ticket
    log_content: bool = False
    semantic_cache: SemanticCache = "off"
    isolation: Isolation = "shared"


def services_of(request: Request) -> Services:
    return request.app.state.services


async def _opened(request: Request) -> Services:
    # A coroutine, though it waits for nothing: what is none is called in a thread each time.
    return services_of(request)


async def _credential(request: Request) -> str:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else await cookie.credential(request)


class _Bearer(HTTPBearer):
    """An API key or a token, or the console's cookie, whose caller may do something.

    Both the credential, for the API's description, and its check, in one: each dependency
    of a route costs a request about 50 µs.
    """

    def __init__(self) -> None:
        described = "an API key, `crl_…`, or a signed token"
        super().__init__(scheme_name="HTTPBearer", auto_error=False, description=described)

    async def caller(self, request: Request) -> Caller:
        state = request.scope["state"]
        if known := state.get("caller"):  # before the routes: see `repeats`
            return known
        credentials = await super().__call__(request)
        secret = credentials.credentials if credentials else await cookie.credential(request)
        with trace.span("authenticate"):
            caller = await services_of(request).authenticator.authenticate(secret)
        _note(caller, state)
        return caller


class _Tenants(_Bearer):
    """A tenant's caller with *scope*; unless the route is to *admit* it, it is admitted here."""

    def __init__(self, scope: Scope, *, admit: bool = True) -> None:
        super().__init__()
        self._needed: Scope = scope
        self._admit = admit

    async def __call__(self, request: Request) -> TenantCaller:  # type: ignore[override]
        caller = await self.caller(request)
        gate = services_of(request).gate
        found = tenant_caller(caller, self._needed, gate, request.scope["state"])
        if self._admit:
            await found.ticket.admit()
        return found


def tenant_caller(
    caller: Caller, scope: Scope, gate: Gate, state: MutableMapping[str, Any]
) -> TenantCaller:
    """*caller* as one of a tenant with *scope*, with its ticket, which *state* keeps.

    Raises:
        InsufficientScope: it is none.
    """
    _note(caller, state)
    if caller.tenant_id is None:
        raise InsufficientScope("this is an admin key: use a tenant's key")
    if scope not in caller.scopes:
        raise InsufficientScope(f"this key lacks the scope {scope}")
    request_id: RequestId = state["request_id"]
    ticket = state["ticket"] = Ticket(gate, caller.tenant_id, request_id, caller)
    return TenantCaller(
        caller.tenant_id,
        caller.key_id,
        caller.groups,
        request_id,
        ticket,
        caller.log_content,
        caller.semantic_cache,
        caller.isolation,
    )


def _note(caller: Caller, state: MutableMapping[str, Any]) -> None:
    """Have the request's log line say who called, also where that is all that is known."""
    state["log"] = {"tenant_id": caller.tenant_id, "key_id": caller.key_id}


class _Administrators(_Bearer):
    """An administrator."""

    async def __call__(self, request: Request) -> Actor:  # type: ignore[override]
        caller = await self.caller(request)
        if "admin" not in caller.scopes:
            raise InsufficientScope("this needs an admin key")
        return Actor(caller.key_id, request.state.request_id)


Opened = Annotated[Services, Depends(_opened)]
MayQuery = Annotated[TenantCaller, Security(_Tenants("query"))]
# Admitted by the route itself, which knows how many tokens the question may take.
MayAsk = Annotated[TenantCaller, Security(_Tenants("query", admit=False))]
MayEmbed = Annotated[TenantCaller, Security(_Tenants("search", admit=False))]
MaySearch = Annotated[TenantCaller, Security(_Tenants("search"))]
MayReadDocuments = Annotated[TenantCaller, Security(_Tenants("documents:read"))]
MayWriteDocuments = Annotated[TenantCaller, Security(_Tenants("documents:write"))]
MayReadUsage = Annotated[TenantCaller, Security(_Tenants("usage:read"))]
# What the caller was authenticated by, for what is to act in its place.
Credential = Annotated[str, Depends(_credential)]
Admin = Annotated[Actor, Security(_Administrators())]
