"""What the OpenAPI document says of responses is what responses are: no field more, none less."""

import asyncio
from typing import Any

from pydantic import BaseModel
from tests.acceptance.server import Client, new_tenant

from carrel.api import shapes
from carrel.api.admin import shapes as admin_shapes


def _holds(shape: type[BaseModel], answered: tuple[int, Any]) -> Any:
    status, body = answered
    assert status in (200, 201, 202), body
    made = shape.model_validate(body)
    assert made.model_fields_set >= {
        name for name, field in shape.model_fields.items() if field.is_required()
    }
    return body


async def test_the_data_planes_responses_have_their_shapes(acme: Client) -> None:
    text = {"text": "Refunds take 30 days.", "document_id": "refunds", "metadata": {"lang": "en"}}
    _holds(shapes.Document, await acme.post("/v1/documents?wait=30", text))
    _holds(shapes.Document, await acme.get("/v1/documents/refunds"))
    assert _holds(shapes.DocumentPage, await acme.get("/v1/documents"))["data"]
    assert _holds(shapes.ChunkPage, await acme.get("/v1/chunks?document_id=refunds"))["data"]
    asked = {"question": "How long do refunds take?"}
    assert _holds(shapes.Answer, await acme.post("/v1/query", asked))["citations"]
    assert _holds(shapes.Hits, await acme.post("/v1/search", {"query": "refunds"}))["hits"]
    async with asyncio.timeout(30):
        while True:  # usage is written soon after the answer
            if _holds(shapes.UsageReport, await acme.get("/v1/usage"))["data"]:
                break
            await asyncio.sleep(0.05)


async def test_the_admin_planes_responses_have_their_shapes(admin: Client) -> None:
    terms = {
        "limits": {"requests_per_minute": 60},
        "budget": {"usd": "5", "period": "day"},
    }
    tenant = _holds(
        admin_shapes.Tenant, await admin.post("/admin/tenants", {"name": "Umbrella", **terms})
    )
    path = f"/admin/tenants/{tenant['id']}"
    _holds(admin_shapes.Tenant, await admin.get(path))
    _holds(admin_shapes.TenantList, await admin.get("/admin/tenants"))
    key = _holds(admin_shapes.NewKey, await admin.post(f"{path}/keys", terms))
    _holds(admin_shapes.NewKey, await admin.post(f"/admin/keys/{key['id']}/rotate"))
    assert _holds(admin_shapes.KeyList, await admin.get(f"{path}/keys"))["data"]
    await admin.with_key(key["secret"]).post("/v1/query", {"question": "Anything?"})
    for group in ("none", "tenant", "model", "key"):
        _holds(shapes.UsageReport, await admin.get(f"{path}/usage?group_by={group}"))
    _holds(admin_shapes.Move, await admin.post(f"{path}/moves", {"isolation": "collection"}))
    assert _holds(admin_shapes.MoveList, await admin.get(f"{path}/moves"))["data"]
    other = await new_tenant(admin, "gone")
    _, listed = await admin.get("/admin/tenants")
    gone = next(each for each in listed["data"] if each["name"] == "gone")
    assert other.key
    status, _ = await admin.call("DELETE", f"/admin/tenants/{gone['id']}")
    assert status == 204
    found = _holds(admin_shapes.ErasurePage, await admin.get("/admin/erasures"))["data"]
    _holds(admin_shapes.Erasure, await admin.get(f"/admin/erasures/{found[0]['id']}"))
    assert _holds(admin_shapes.AuditPage, await admin.get("/admin/audit"))["data"]
    _holds(admin_shapes.Embedder, await admin.get("/admin/embedder"))
    _holds(shapes.Readiness, await admin.get("/readyz"))
