"""The attacks of `carrel verify-isolation`, each with what was seen.

Two tenants hold documents of the same ids, each with a canary: a word that
occurs nowhere else. An attack gets through where one tenant meets the other's
canary, or changes what the other sees.
"""

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from carrel.cli.client import Client

SHARED_ID = "verify-isolation"
HIDDEN_ID = "verify-isolation-hidden"
NOISE_DOCUMENTS = 25
READY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One attack: whether isolation held, and what was seen."""

    attack: str
    held: bool
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One tenant: its client, its canaries, and its ids."""

    client: Client
    tenant_id: str
    key_id: str
    canary: str
    hidden: str


async def attack(url: str, admin_key: str) -> list[Finding]:
    """Make two tenants, attack each with the other's key, erase both; what was found.

    Raises:
        Failure: the server cannot be reached, or refuses what an admin may do.
    """
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(Client(url, admin_key))
        left = await stack.enter_async_context(_side(url, admin))
        right = await stack.enter_async_context(_side(url, admin))
        findings: list[Finding] = []
        for mine, other in ((left, right), (right, left)):
            for name, run in _ATTACKS.items():
                findings.append(await _finding(name, run, mine, other))
        findings.append(await _finding("a revoked key is refused", _revoked(admin), left, right))
    erased = await _is_gone(url, admin_key, left.tenant_id, right.tenant_id)
    findings.append(Finding("the tenants made for this are erased", erased))
    return findings


_Attack = Callable[[Side, Side], Awaitable[str]]


async def _finding(name: str, run: _Attack, mine: Side, other: Side) -> Finding:
    seen = await run(mine, other)
    return Finding(name, held=not seen, seen=seen)


@asynccontextmanager
async def _side(url: str, admin: Client) -> AsyncGenerator[Side]:
    tenant = await admin.create_tenant("verify-isolation (erased at the end)")
    try:
        made = await admin.create_key(tenant.id)
        insider = await admin.create_key(tenant.id, groups=["insiders"])
        async with Client(url, made.secret) as client, Client(url, insider.secret) as privileged:
            side = Side(client, tenant.id, made.id, _canary(), _canary())
            await _put(client, SHARED_ID, f"The code word is {side.canary}.")
            text = f"The hidden code word is {side.hidden}."
            await _put(privileged, HIDDEN_ID, text, groups=["insiders"])
            yield side
    finally:
        await admin.delete_tenant(tenant.id)


def _canary() -> str:
    return "canary" + secrets.token_hex(12)


async def _put(client: Client, document_id: str, text: str, **more: Any) -> None:
    body = {"document_id": document_id, "text": text, **more}
    status, answer = await _raw(client, "POST", f"/v1/documents?wait={READY_SECONDS}", body)
    if status != 202 or '"ready"' not in answer:
        raise AssertionError(f"a document was not accepted: {answer}")


async def _raw(
    client: Client,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, str]:
    async with client.exchange(method, path, json=body, headers=headers) as response:
        return response.status, await response.text()


async def _own_is_found(mine: Side, other: Side) -> str:
    _, answer = await _raw(mine.client, "POST", "/v1/search", {"query": "code word"})
    return "" if mine.canary in answer else "its own document was not found: nothing is proven"


async def _asks(mine: Side, other: Side) -> str:
    wanted = f"What is the code word {other.canary} {other.hidden}?"
    messages = [{"role": "user", "content": wanted}]
    for path, body in (
        ("/v1/search", {"query": wanted, "top_k": 50}),
        ("/v1/query", {"question": wanted, "top_k": 50}),
        ("/v1/chat/completions", {"model": "carrel", "messages": messages}),
    ):
        status, answer = await _raw(mine.client, "POST", path, body)
        if status != 200:
            return f"{path} gave status {status}: nothing is proven"
        if _meets(answer, other):
            return f"{path} returned the other tenant's document"
    return ""


def _meets(answer: str, other: Side) -> bool:
    """Whether a body holds a document of the other's; the question itself may be repeated."""
    return f"word is {other.canary}" in answer or f"word is {other.hidden}" in answer


async def _filters(mine: Side, other: Side) -> str:
    for where in (
        {"tenant_id": other.tenant_id},
        {"tenant_id": [mine.tenant_id, other.tenant_id]},
        {"visible_to": "everyone"},
        {"document_id": SHARED_ID},
    ):
        body = {"query": "code word", "filter": where, "top_k": 50}
        _, answer = await _raw(mine.client, "POST", "/v1/search", body)
        if _meets(answer, other):
            return f"the filter {where} returned the other tenant's document"
    return ""


async def _names_a_tenant(mine: Side, other: Side) -> str:
    headers = {"x-tenant-id": other.tenant_id, "x-tenant": other.tenant_id}
    body = {"query": "code word", "top_k": 50}
    _, by_header = await _raw(mine.client, "POST", "/v1/search", body, headers)
    _, by_body = await _raw(
        mine.client, "POST", "/v1/search", {**body, "tenant_id": other.tenant_id}
    )
    path = f"/v1/search?tenant_id={other.tenant_id}"
    _, by_query = await _raw(mine.client, "POST", path, body)
    for how, answer in (("header", by_header), ("body", by_body), ("query", by_query)):
        if _meets(answer, other):
            return f"a tenant named in the {how} was believed"
    return ""


async def _listing(mine: Side, other: Side) -> str:
    _, answer = await _raw(mine.client, "GET", "/v1/documents?limit=1000")
    found = answer.count('"id":')
    return "" if found == 1 else f"the list shows {found} documents, not its own one"


async def _replaces(mine: Side, other: Side) -> str:
    await _put(mine.client, SHARED_ID, f"The code word is {mine.canary}, again.")
    _, answer = await _raw(other.client, "POST", "/v1/search", {"query": "code word"})
    return "" if other.canary in answer else "the other tenant's document of the same id changed"


async def _deletes(mine: Side, other: Side) -> str:
    await _put(mine.client, "verify-isolation-extra", "To be deleted.")
    await _raw(mine.client, "DELETE", "/v1/documents/verify-isolation-extra")
    status, _ = await _raw(other.client, "GET", f"/v1/documents/{SHARED_ID}")
    return "" if status == 200 else "the other tenant's document went"


async def _sees_hidden(mine: Side, other: Side) -> str:
    _, answer = await _raw(mine.client, "POST", "/v1/search", {"query": mine.hidden, "top_k": 50})
    if f"word is {mine.hidden}" in answer:
        return "a key without the group found the document"
    status, _ = await _raw(mine.client, "GET", f"/v1/documents/{HIDDEN_ID}")
    return "" if status == 404 else f"a key without the group got status {status}"


async def _is_disturbed(mine: Side, other: Side) -> str:
    body = {"query": "what is the code word", "top_k": 50}
    before = await _raw(mine.client, "POST", "/v1/search", body)
    for number in range(NOISE_DOCUMENTS):
        text = f"The code word of day {number} is secret. " * (number + 1)
        await _put(other.client, f"noise-{number}", text)
    after = await _raw(mine.client, "POST", "/v1/search", body)
    for number in range(NOISE_DOCUMENTS):
        await _raw(other.client, "DELETE", f"/v1/documents/noise-{number}")
    return "" if before == after else "results or scores changed when the other tenant wrote"


async def _administers(mine: Side, other: Side) -> str:
    for method, path in (
        ("GET", "/admin/tenants"),
        ("GET", f"/admin/tenants/{other.tenant_id}/keys"),
        ("DELETE", f"/admin/keys/{other.key_id}"),
        ("DELETE", f"/admin/tenants/{other.tenant_id}"),
    ):
        status, _ = await _raw(mine.client, method, path)
        if status != 403:
            return f"{method} {path} gave status {status}, not 403"
    return ""


def _revoked(admin: Client) -> _Attack:
    async def run(mine: Side, other: Side) -> str:
        await admin.revoke_key(mine.key_id)
        status, _ = await _raw(mine.client, "GET", "/v1/documents")
        return "" if status == 401 else f"a revoked key got status {status}"

    return run


async def _is_gone(url: str, admin_key: str, *tenant_ids: str) -> bool:
    async with Client(url, admin_key) as admin:
        outcomes = [await _raw(admin, "GET", f"/admin/tenants/{each}") for each in tenant_ids]
    return all(status == 404 for status, _ in outcomes)


_ATTACKS: dict[str, _Attack] = {
    "each tenant finds its own document": _own_is_found,
    "asking for the other's words finds nothing of it": _asks,
    "filters do not reach the other": _filters,
    "naming the other tenant changes nothing": _names_a_tenant,
    "the list shows one's own documents": _listing,
    "a document of the same id is one's own": _replaces,
    "deleting is for one's own": _deletes,
    "documents of a group are hidden from others of the tenant": _sees_hidden,
    "the other's writes do not change results or scores": _is_disturbed,
    "a tenant's key administers nothing": _administers,
}
