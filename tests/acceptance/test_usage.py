"""Reports over HTTP: a tenant sees its own usage, an administrator everyone's."""

import asyncio
import json
from typing import Any

import pytest
from tests.acceptance.server import Client

QUESTION = {"question": "How long do refunds take?"}


@pytest.fixture
async def asked(acme: Client, globex: Client) -> tuple[Client, Client]:
    """Two tenants: one has asked twice, the other once."""
    for tenant, times in ((acme, 2), (globex, 1)):
        await tenant.post("/v1/documents?wait=30", {"text": "Refunds take 30 days."})
        for _ in range(times):
            await tenant.post("/v1/query", QUESTION)
    return acme, globex


async def tenant_ids(admin: Client) -> tuple[str, str]:
    _, page = await admin.get("/admin/tenants")
    ids = {tenant["name"]: tenant["id"] for tenant in page["data"]}  # the newest of each name
    return ids["acme"], ids["globex"]


async def rows(client: Client, path: str, requests: int) -> list[dict[str, Any]]:
    """The report once it counts so many requests."""
    async with asyncio.timeout(10):
        while True:
            status, report = await client.get(path)
            assert status == 200, report
            if sum(row["requests"] for row in report["data"]) >= requests:
                return report["data"]
            await asyncio.sleep(0.05)


async def test_reports_are_of_one_tenant_or_of_all(admin: Client, asked: tuple[Client, Client]):
    acme, globex = await tenant_ids(admin)
    [own] = await rows(asked[0], "/v1/usage", 2)
    assert (own["requests"], own["cost_usd"], own["saved_usd"]) == (2, "0", "0")
    assert own["unfinished"] == own["unpriced"] == 0
    [same] = await rows(admin, f"/admin/tenants/{acme}/usage", 2)
    assert same == own
    await rows(admin, f"/admin/tenants/{globex}/usage", 1)
    every = await rows(admin, "/admin/usage?group_by=tenant", 3)
    counts = {row["tenant_id"]: row["requests"] for row in every}
    assert (counts[acme], counts[globex]) == (2, 1)
    [by_model] = await rows(admin, f"/admin/tenants/{acme}/usage?group_by=model&bucket=hour", 2)
    assert by_model["model"] == "extractive"
    [by_key] = await rows(admin, f"/admin/tenants/{acme}/usage?group_by=key", 2)
    assert by_key["key_id"].startswith("key_")


async def test_what_makes_no_report_is_refused(admin: Client, acme: Client):
    status, answer = await admin.get("/admin/tenants/ten_nobody/usage")
    assert (status, answer["error"]["code"]) == (404, "not_found")
    status, answer = await admin.get("/admin/usage?group_by=weekday")
    assert (status, answer["error"]["param"]) == (422, "group_by")
    status, answer = await acme.get("/v1/usage?start=2026-01-02&end=2026-01-01")
    assert (status, answer["error"]["param"]) == (422, "end")


async def test_every_answer_says_what_it_cost_and_saved(asked: tuple[Client, Client]):
    acme, _ = asked
    _, answer = await acme.post("/v1/query", QUESTION)
    _, stream = await acme.post("/v1/query", {**QUESTION, "stream": True})
    done = json.loads(stream.strip().split("data: ")[-1])
    messages = {"model": "x", "messages": [{"role": "user", "content": QUESTION["question"]}]}
    _, completion = await acme.post("/v1/chat/completions", messages)
    _, chunks = await acme.post("/v1/chat/completions", {**messages, "stream": True})
    last = json.loads(chunks.strip().split("data: ")[-2])
    for usage in (answer["usage"], done["usage"], completion["usage"], last):
        assert (usage["cost_usd"], usage["saved_usd"]) == ("0", "0")
