"""The admin API: limits and budgets, keys, and the audit log."""

from typing import Any

import pytest
from tests.acceptance.server import Client

LIMITS = {"requests_per_minute": 60, "tokens_per_minute": 10_000, "concurrent_requests": 4}
BUDGET = {"usd": "5.00", "period": "day", "on_outage": "allow"}
NO_LIMITS = dict.fromkeys(LIMITS)


async def _tenant(admin: Client, **fields: Any) -> dict[str, Any]:
    status, tenant = await admin.post("/admin/tenants", {"name": "acme", **fields})
    assert status == 201, tenant
    return tenant


async def _key(admin: Client, tenant: str, **fields: Any) -> dict[str, Any]:
    status, key = await admin.post(f"/admin/tenants/{tenant}/keys", fields)
    assert status == 201, key
    return key


async def test_limits_and_budget_of_a_tenant_are_set_shown_and_removed(admin: Client) -> None:
    tenant = await _tenant(admin, limits=LIMITS, budget=BUDGET)
    assert (tenant["limits"], tenant["budget"]) == (LIMITS, {**BUDGET, "usd": "5"})
    path = f"/admin/tenants/{tenant['id']}"
    change = {"limits": {"tokens_per_minute": None, "concurrent_requests": 9}}
    _, changed = await admin.call("PATCH", path, json=change)
    assert changed["limits"] == {**LIMITS, "tokens_per_minute": None, "concurrent_requests": 9}
    assert changed["budget"] == tenant["budget"]
    change = {"budget": {"usd": "0.000001", "period": "month"}}
    _, changed = await admin.call("PATCH", path, json=change)
    assert changed["budget"] == {"usd": "0.000001", "period": "month", "on_outage": "refuse"}
    _, changed = await admin.call("PATCH", path, json={"limits": None, "budget": None})
    assert (changed["limits"], changed["budget"]) == (NO_LIMITS, None)
    assert (await admin.get(path))[1] == changed


async def test_a_key_has_limits_and_a_budget_of_its_own(admin: Client) -> None:
    tenant = await _tenant(admin)
    made = await _key(admin, tenant["id"], limits=LIMITS, budget=BUDGET)
    assert (made["limits"], made["budget"]) == (LIMITS, {**BUDGET, "usd": "5"})
    change = {"name": "ci", "scopes": ["search"], "groups": ["hr"], "budget": None}
    _, changed = await admin.call("PATCH", f"/admin/keys/{made['id']}", json=change)
    assert {name: changed[name] for name in change} == change
    assert changed["limits"] == LIMITS
    _, listed = await admin.get(f"/admin/tenants/{tenant['id']}/keys")
    assert listed["data"] == [changed]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"limits": {"requests_per_minute": 0}}, "limits.requests_per_minute"),
        ({"limits": {"requests_per_minute": -1}}, "limits.requests_per_minute"),
        ({"limits": {"requests_per_minute": 1.5}}, "limits.requests_per_minute"),
        ({"limits": {"requests_per_minute": 10**10}}, "limits.requests_per_minute"),
        ({"limits": {"requests_per_second": 1}}, "limits.requests_per_second"),
        ({"limits": 5}, "limits"),
        ({"budget": {"usd": "-1", "period": "day"}}, "budget.usd"),
        ({"budget": {"usd": "NaN", "period": "day"}}, "budget.usd"),
        ({"budget": {"usd": "Infinity", "period": "day"}}, "budget.usd"),
        ({"budget": {"usd": "1e99", "period": "day"}}, "budget.usd"),
        ({"budget": {"usd": "0.0000001", "period": "day"}}, "budget.usd"),
        ({"budget": {"usd": "five", "period": "day"}}, "budget.usd"),
        ({"budget": {"usd": "5"}}, "budget.period"),
        ({"budget": {"usd": "5", "period": "year"}}, "budget.period"),
        ({"budget": {"usd": "5", "period": "day", "on_outage": "maybe"}}, "budget.on_outage"),
        ({"budget": {"period": "day"}}, "budget.usd"),
    ],
)
async def test_what_is_no_limit_or_budget_is_refused_everywhere(
    admin: Client, body: dict[str, Any], param: str
) -> None:
    tenant = await _tenant(admin)
    key = await _key(admin, tenant["id"])
    for method, path, name in (
        ("POST", "/admin/tenants", {"name": "x"}),
        ("PATCH", f"/admin/tenants/{tenant['id']}", {}),
        ("POST", f"/admin/tenants/{tenant['id']}/keys", {}),
        ("PATCH", f"/admin/keys/{key['id']}", {}),
    ):
        status, answer = await admin.call(method, path, json={**name, **body})
        assert (status, answer["error"]["param"]) == (422, param), (method, path)


async def test_a_rotated_key_and_its_successor_both_work(admin: Client) -> None:
    tenant = await _tenant(admin)
    old = await _key(admin, tenant["id"], name="ci", scopes=["search"], limits=LIMITS)
    status, new = await admin.post(f"/admin/keys/{old['id']}/rotate")
    assert status == 201
    same = ("name", "scopes", "groups", "limits", "budget", "tenant_id")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert new["secret"] != old["secret"]
    for secret in (old["secret"], new["secret"]):
        status, _ = await admin.with_key(secret).post("/v1/search", {"query": "x"})
        assert status == 200
    _, listed = await admin.get(f"/admin/tenants/{tenant['id']}/keys")
    assert [each["replaced_by"] for each in listed["data"]] == [new["id"], None]
    status, answer = await admin.post(f"/admin/keys/{old['id']}/rotate")
    assert (status, answer["error"]["code"]) == (409, "conflict")


async def test_without_an_overlap_only_the_successor_works(admin: Client) -> None:
    tenant = await _tenant(admin)
    old = await _key(admin, tenant["id"])
    assert (await admin.with_key(old["secret"]).get("/v1/models"))[0] == 200
    path = f"/admin/keys/{old['id']}/rotate"
    for overlap in (-1, 30 * 86_400 + 1, "soon"):
        status, _ = await admin.post(path, {"overlap_seconds": overlap})
        assert status == 422
    _, new = await admin.post(path, {"overlap_seconds": 0})
    assert (await admin.with_key(old["secret"]).get("/v1/models"))[0] == 401
    assert (await admin.with_key(new["secret"]).get("/v1/models"))[0] == 200


async def test_a_tenants_key_never_gets_the_scope_admin(admin: Client) -> None:
    tenant = await _tenant(admin)
    key = await _key(admin, tenant["id"])
    for method, path in (
        ("POST", f"/admin/tenants/{tenant['id']}/keys"),
        ("PATCH", f"/admin/keys/{key['id']}"),
    ):
        status, _ = await admin.call(method, path, json={"scopes": ["query", "admin"]})
        assert status == 422


async def test_every_admin_action_leaves_one_line_and_no_secret(admin: Client) -> None:
    tenant = await _tenant(admin, budget=BUDGET)
    path = f"/admin/tenants/{tenant['id']}"
    old = await _key(admin, tenant["id"], name="ci")
    key = f"/admin/keys/{old['id']}"
    await admin.call("PATCH", path, json={"limits": LIMITS})
    await admin.call("PATCH", key, json={"groups": ["hr"]})
    _, new = await admin.post(f"{key}/rotate")
    await admin.call("DELETE", key)
    await admin.call("PATCH", path, json={"status": "suspended"})
    _, log = await admin.get(f"/admin/audit?tenant_id={tenant['id']}")
    assert [(each["action"], each["target"]) for each in reversed(log["data"])] == [
        ("tenant.create", tenant["id"]),
        ("key.create", old["id"]),
        ("tenant.change", tenant["id"]),
        ("key.change", old["id"]),
        ("key.rotate", old["id"]),
        ("key.revoke", old["id"]),
        ("tenant.change", tenant["id"]),
    ]
    assert {each["actor"] for each in log["data"]} == {"key_environment"}
    assert all(each["request_id"].startswith("req_") for each in log["data"])
    assert log["data"][0]["details"] == {"status": "suspended"}
    for secret in (old["secret"], new["secret"], admin.key or ""):
        assert secret[4:] not in str(log)
    await admin.call("DELETE", path)
    _, log = await admin.get(f"/admin/audit?tenant_id={tenant['id']}&limit=1")
    assert (log["data"][0]["action"], log["has_more"]) == ("tenant.erase", True)


async def test_the_audit_log_is_read_page_by_page(admin: Client) -> None:
    tenant = await _tenant(admin)
    for number in range(3):
        await _key(admin, tenant["id"], name=str(number))
    path = f"/admin/audit?tenant_id={tenant['id']}&limit=3"
    _, first = await admin.get(path)
    _, second = await admin.get(f"{path}&after={first['last_id']}")
    assert [each["details"].get("name") for each in first["data"]] == ["2", "1", "0"]
    assert [each["action"] for each in second["data"]] == ["tenant.create"]
    assert (first["has_more"], second["has_more"]) == (True, False)
    for query in ("limit=0", "limit=1001", "after=%00", "tenant_id=%00"):
        assert (await admin.get(f"/admin/audit?{query}"))[0] == 422


async def test_text_that_cannot_be_stored_everywhere_is_refused(admin: Client) -> None:
    tenant = await _tenant(admin)
    path = f"/admin/tenants/{tenant['id']}"
    for method, where, body in (
        ("POST", "/admin/tenants", {"name": "a\0b"}),
        ("PATCH", path, {"name": "\0"}),
        ("POST", f"{path}/keys", {"name": "\0"}),
        ("POST", f"{path}/keys", {"groups": ["\0"]}),
    ):
        assert (await admin.call(method, where, json=body))[0] == 422
