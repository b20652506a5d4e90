"""The attacks of `carrel verify-isolation`, each with what was seen.

One tenant attacks the other. An attack gets through where it meets the other's
canary, or changes what the other sees.
"""

import asyncio
from collections.abc import Awaitable, Callable

from carrel.cli.client import Client
from carrel.cli.isolation.sides import HIDDEN_ID, SHARED_ID, Side, put, raw

NOISE_DOCUMENTS = 15
MOVE_SECONDS = 120

Attack = Callable[[Side, Side], Awaitable[str]]  # "" where it got through nowhere


async def _own_is_found(mine: Side, other: Side) -> str:
    _, answer = await raw(mine.client, "POST", "/v1/search", {"query": "code word"})
    return "" if mine.canary in answer else "its own document was not found: nothing is proven"


async def _asks(mine: Side, other: Side) -> str:
    wanted = f"What is the code word {other.canary} {other.hidden}?"
    messages = [{"role": "user", "content": wanted}]
    for path, body in (
        ("/v1/search", {"query": wanted, "top_k": 50}),
        ("/v1/query", {"question": wanted, "top_k": 50}),
        ("/v1/chat/completions", {"model": "carrel", "messages": messages}),
    ):
        status, answer = await raw(mine.client, "POST", path, body)
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
        _, answer = await raw(mine.client, "POST", "/v1/search", body)
        if _meets(answer, other):
            return f"the filter {where} returned the other tenant's document"
    return ""


async def _names_a_tenant(mine: Side, other: Side) -> str:
    headers = {"x-tenant-id": other.tenant_id, "x-tenant": other.tenant_id}
    body = {"query": "code word", "top_k": 50}
    _, by_header = await raw(mine.client, "POST", "/v1/search", body, headers)
    _, by_body = await raw(
        mine.client, "POST", "/v1/search", {**body, "tenant_id": other.tenant_id}
    )
    path = f"/v1/search?tenant_id={other.tenant_id}"
    _, by_query = await raw(mine.client, "POST", path, body)
    for how, answer in (("header", by_header), ("body", by_body), ("query", by_query)):
        if _meets(answer, other):
            return f"a tenant named in the {how} was believed"
    return ""


async def _listing(mine: Side, other: Side) -> str:
    _, answer = await raw(mine.client, "GET", "/v1/documents?limit=1000")
    found = answer.count('"id":')
    return "" if found == 1 else f"the list shows {found} documents, not its own one"


async def _replaces(mine: Side, other: Side) -> str:
    await put(mine.client, SHARED_ID, f"The code word is {mine.canary}, again.")
    _, answer = await raw(other.client, "POST", "/v1/search", {"query": "code word"})
    return "" if other.canary in answer else "the other tenant's document of the same id changed"


async def _deletes(mine: Side, other: Side) -> str:
    await put(mine.client, "verify-isolation-extra", "To be deleted.")
    await raw(mine.client, "DELETE", "/v1/documents/verify-isolation-extra")
    status, _ = await raw(other.client, "GET", f"/v1/documents/{SHARED_ID}")
    return "" if status == 200 else "the other tenant's document went"


async def _sees_hidden(mine: Side, other: Side) -> str:
    _, answer = await raw(mine.client, "POST", "/v1/search", {"query": mine.hidden, "top_k": 50})
    if f"word is {mine.hidden}" in answer:
        return "a key without the group found the document"
    status, _ = await raw(mine.client, "GET", f"/v1/documents/{HIDDEN_ID}")
    return "" if status == 404 else f"a key without the group got status {status}"


async def _is_disturbed(mine: Side, other: Side) -> str:
    body = {"query": "what is the code word", "top_k": 50}
    before = await raw(mine.client, "POST", "/v1/search", body)
    for number in range(NOISE_DOCUMENTS):
        text = f"The code word of day {number} is secret. " * (number + 1)
        await put(other.client, f"noise-{number}", text)
    after = await raw(mine.client, "POST", "/v1/search", body)
    for number in range(NOISE_DOCUMENTS):
        await raw(other.client, "DELETE", f"/v1/documents/noise-{number}")
    return "" if before == after else "results or scores changed when the other tenant wrote"


async def _administers(mine: Side, other: Side) -> str:
    for method, path in (
        ("GET", "/admin/tenants"),
        ("GET", f"/admin/tenants/{other.tenant_id}/keys"),
        ("DELETE", f"/admin/keys/{other.key_id}"),
        ("DELETE", f"/admin/tenants/{other.tenant_id}"),
    ):
        status, _ = await raw(mine.client, method, path)
        if status != 403:
            return f"{method} {path} gave status {status}, not 403"
    return ""


def revoked(admin: Client) -> Attack:
    """Whether a key works on after its revocation."""

    async def run(mine: Side, other: Side) -> str:
        await admin.revoke_key(mine.key_id)
        status, _ = await raw(mine.client, "GET", "/v1/documents")
        return "" if status == 401 else f"a revoked key got status {status}"

    return run


def moved(admin: Client) -> Attack:
    """Whether the other's move to the shared tier changes what either finds."""
    body = {"query": "what is the code word", "top_k": 50}

    async def run(mine: Side, other: Side) -> str:
        before = await raw(mine.client, "POST", "/v1/search", body)
        move = await admin.move_tenant(other.tenant_id, isolation="shared")
        try:
            async with asyncio.timeout(MOVE_SECONDS):
                while move.status not in ("clearing", "done", "failed"):
                    if await raw(mine.client, "POST", "/v1/search", body) != before:
                        return "results or scores changed while the other tenant moved"
                    move = await admin.move(other.tenant_id, move.id)
        except TimeoutError:
            return f"the move is not over after {MOVE_SECONDS} s: nothing is proven"
        if move.status == "failed":
            return f"the move failed: {move.error}"
        if await raw(mine.client, "POST", "/v1/search", body) != before:
            return "results or scores changed when the other tenant had moved"
        return await _asks(mine, other) or await _asks(other, mine)

    return run


ATTACKS: dict[str, Attack] = {
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
