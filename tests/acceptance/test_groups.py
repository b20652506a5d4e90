"""Documents for some groups of a tenant: a caller sees those of no group, and of its own."""

from typing import Any

import pytest
from tests.acceptance.server import Client

SALARY = "The salary of the director is 90,000 euros."
CANTEEN = "The canteen serves lunch from noon."


@pytest.fixture
async def tenant(admin: Client) -> str:
    _, made = await admin.post("/admin/tenants", {"name": "acme"})
    return made["id"]


async def key_of(admin: Client, tenant: str, *groups: str) -> Client:
    status, made = await admin.post(f"/admin/tenants/{tenant}/keys", {"groups": list(groups)})
    assert status == 201, made
    return admin.with_key(made["secret"])


async def put(client: Client, **body: Any) -> dict[str, Any]:
    status, document = await client.post("/v1/documents?wait=30", body)
    assert (status, document.get("status")) == (202, "ready"), document
    return document


async def seen(client: Client) -> set[str]:
    """What the caller meets on every road: search, list, and answers."""
    _, hits = await client.post("/v1/search", {"query": "salary canteen director", "top_k": 50})
    _, page = await client.get("/v1/documents")
    found = {hit["document_id"] for hit in hits["hits"]}
    assert found == {each["id"] for each in page["data"]}
    question = {"question": "What is the salary of the director?"}
    _, answer = await client.post("/v1/query", question)
    assert ("90,000" in answer["answer"]) == ("salary" in found)
    assert {source["document_id"] for source in answer["sources"]} <= found
    return found


async def test_each_caller_sees_what_is_for_everyone_and_for_its_groups(admin: Client, tenant: str):
    board = await key_of(admin, tenant, "board")
    staff = await key_of(admin, tenant, "staff", "BOARD")
    nobody = await key_of(admin, tenant)
    document = await put(board, text=SALARY, document_id="salary", groups=["board"])
    assert document["groups"] == ["board"]
    await put(board, text=CANTEEN, document_id="canteen")

    assert await seen(board) == {"salary", "canteen"}
    assert await seen(staff) == await seen(nobody) == {"canteen"}
    for method in ("GET", "DELETE"):
        status, answer = await staff.call(method, "/v1/documents/salary")
        assert (status, answer["error"]["code"]) == (404, "not_found")
    assert (await board.get("/v1/documents/salary"))[0] == 200


async def test_what_one_may_not_see_one_may_not_replace(admin: Client, tenant: str):
    board = await key_of(admin, tenant, "board")
    staff = await key_of(admin, tenant, "staff")
    await put(board, text=SALARY, document_id="salary", groups=["board"])
    body = {"text": "Nothing.", "document_id": "salary"}
    status, answer = await staff.post("/v1/documents", body)
    assert (status, answer["error"]["code"]) == (409, "conflict")
    assert await seen(board) == {"salary"}


async def test_taking_a_group_away_holds_for_the_next_question(admin: Client, tenant: str):
    staff = await key_of(admin, tenant, "staff")
    board = await key_of(admin, tenant, "board", "staff")
    await put(board, text=SALARY, document_id="salary", groups=["staff", "board"])
    assert await seen(staff) == {"salary"}
    # Not waited for: the new version need not be ready.
    body = {"text": SALARY, "document_id": "salary", "groups": ["board"]}
    assert (await board.post("/v1/documents", body))[0] == 202
    assert await seen(staff) == set()


async def test_giving_a_group_holds_once_the_version_is_ready(admin: Client, tenant: str):
    staff = await key_of(admin, tenant, "staff")
    board = await key_of(admin, tenant, "board")
    await put(board, text=SALARY, document_id="salary", groups=["board"])
    assert await seen(staff) == set()
    await put(board, text=SALARY, document_id="salary", groups=["board", "staff"])
    assert await seen(staff) == await seen(board) == {"salary"}
    await put(board, text=SALARY, document_id="salary")
    assert await seen(await key_of(admin, tenant)) == {"salary"}


async def test_groups_come_with_an_upload_too(admin: Client, tenant: str):
    board = await key_of(admin, tenant, "board")
    status, document = await board.upload(
        "salary.txt", SALARY.encode(), document_id="salary", groups='["board"]'
    )
    assert (status, document["groups"]) == (202, ["board"])
    assert await seen(await key_of(admin, tenant)) == set()


@pytest.mark.parametrize("groups", ["board", [""], [1], ["x" * 300], [["a"]], {"a": 1}])
async def test_groups_that_are_none_are_refused(admin: Client, tenant: str, groups: Any):
    client = await key_of(admin, tenant)
    status, answer = await client.post("/v1/documents", {"text": "x", "groups": groups})
    assert (status, answer["error"]["code"]) == (422, "invalid_request")
