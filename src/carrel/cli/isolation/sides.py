"""The tenants of `carrel verify-isolation`: made for the purpose, erased whatever happens.

All hold documents of the same ids, each with a canary: a word that occurs
nowhere else.
"""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from carrel.cli.client import Client
from carrel.cli.failure import ApiError

SHARED_ID = "verify-isolation"
HIDDEN_ID = "verify-isolation-hidden"
READY_SECONDS = 60

Tier = Literal["shared", "collection"]


@dataclass(frozen=True, slots=True)
class Side:
    """One tenant: its client, its tier, its canaries, and its ids."""

    client: Client
    tier: Tier
    tenant_id: str
    key_id: str
    canary: str
    hidden: str


@asynccontextmanager
async def side(url: str, admin: Client, tier: Tier = "shared") -> AsyncGenerator[Side | None]:
    """A tenant with documents, erased at the end; None where the server has no such tier.

    Raises:
        Failure: the server cannot be reached, or refuses what an admin may do.
    """
    try:
        name = "verify-isolation (erased at the end)"
        tenant = await admin.create_tenant(name, isolation=tier)
    except ApiError as error:
        if tier == "shared" or error.status not in (400, 422):
            raise
        yield None
        return
    try:
        made = await admin.create_key(tenant.id)
        insider = await admin.create_key(tenant.id, groups=["insiders"])
        async with Client(url, made.secret) as client, Client(url, insider.secret) as privileged:
            planted = Side(client, tier, tenant.id, made.id, _canary(), _canary())
            await put(client, SHARED_ID, f"The code word is {planted.canary}.")
            text = f"The hidden code word is {planted.hidden}."
            await put(privileged, HIDDEN_ID, text, groups=["insiders"])
            yield planted
    finally:
        await admin.delete_tenant(tenant.id)


async def is_erased(admin: Client, *sides: Side) -> str:
    """What is left of these tenants; nothing, as a rule."""
    for each in sides:
        status, _ = await raw(admin, "GET", f"/admin/tenants/{each.tenant_id}")
        if status != 404:
            return f"{each.tenant_id} is still there"
        report = await anext(admin.erasures(each.tenant_id), None)
        if report is None or report.status != "done" or any(report.left.values()):
            left = "no report" if report is None else f"{report.status}: {report.left}"
            return f"the erasure of {each.tenant_id}: {left}"
    return ""


async def put(client: Client, document_id: str, text: str, **more: Any) -> None:
    """Upload a document, and wait until it can be found."""
    body = {"document_id": document_id, "text": text, **more}
    status, answer = await raw(client, "POST", f"/v1/documents?wait={READY_SECONDS}", body)
    if status != 202 or '"ready"' not in answer:
        raise AssertionError(f"a document was not accepted: {answer}")


async def raw(
    client: Client,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, str]:
    """Status and body of a response, whatever it is."""
    async with client.exchange(method, path, json=body, headers=headers) as response:
        return response.status, await response.text()


def _canary() -> str:
    return "canary" + secrets.token_hex(12)
