"""Documents over HTTP: formats, versions, repeats, deletion."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.server import Client

SAMPLES = Path(__file__).parent.parent / "samples"
READABLE = sorted(
    path.name
    for path in SAMPLES.iterdir()
    if path.suffix in {".pdf", ".docx", ".pptx", ".xlsx", ".html", ".md", ".txt", ".csv", ".eml"}
    and path.stem not in {"encrypted", "truncated", "drawing"}
)


async def found(client: Client, query: str) -> set[str]:
    status, body = await client.post("/v1/search", {"query": query, "top_k": 50})
    assert status == 200, body
    return {hit["text"] for hit in body["hits"]}


async def put(client: Client, text: str, wait: float = 30, **fields: Any) -> dict[str, Any]:
    status, document = await client.post(f"/v1/documents?wait={wait}", {"text": text, **fields})
    assert status == 202, document
    return document


@pytest.mark.parametrize("name", READABLE)
async def test_every_format_becomes_searchable(acme: Client, name: str):
    status, document = await acme.upload(name, (SAMPLES / name).read_bytes(), title=name)
    assert (status, document["status"]) == (202, "ready"), document
    assert document["chunks"] > 0
    assert document["progress"] == 1
    _, body = await acme.post("/v1/search", {"query": name, "top_k": 50})
    assert len(body["hits"]) == document["chunks"]
    if name.endswith(".pdf"):
        assert all(hit["page"] >= 1 for hit in body["hits"])


async def test_a_new_version_replaces_the_old_one(acme: Client):
    first = await put(acme, "The fee is 7 euros.", document_id="fee")
    assert first["version"] == 1
    second = await put(acme, "The fee is 9 euros.", document_id="fee")
    assert (second["version"], second["status"]) == (2, "ready")
    assert await found(acme, "fee") == {"The fee is 9 euros."}


async def test_a_failed_version_leaves_the_old_one_serving(acme: Client):
    await put(acme, "The fee is 7 euros.", document_id="fee")
    status, document = await acme.upload(
        "fee.pdf", (SAMPLES / "encrypted.pdf").read_bytes(), document_id="fee"
    )
    assert (status, document["status"], document["version"]) == (202, "failed", 2)
    assert await found(acme, "fee") == {"The fee is 7 euros."}
    third = await put(acme, "The fee is 9 euros.", document_id="fee")
    assert (third["status"], third["version"]) == ("ready", 3)
    assert await found(acme, "fee") == {"The fee is 9 euros."}


async def test_the_same_content_again_changes_nothing(acme: Client):
    first = await put(acme, "The fee is 7 euros.", document_id="fee")
    again = await put(acme, "The fee is 7 euros.", document_id="fee")
    assert again == first
    renamed = await put(acme, "The fee is 7 euros.", document_id="fee", title="Fees")
    assert (renamed["version"], renamed["title"]) == (2, "Fees")


async def test_uploads_of_one_id_at_once_end_in_one_winner(acme: Client):
    async def upload(i: int) -> int:
        body = {"text": f"The fee is {i} euros.", "document_id": "fee"}
        status, document = await acme.post("/v1/documents?wait=60", body)
        assert status == 202, document
        return document["version"]

    versions = await asyncio.gather(*(upload(i) for i in range(10)))
    assert max(versions) == 10
    _, document = await acme.get("/v1/documents/fee?wait=60")
    assert (document["status"], document["version"]) == ("ready", 10)
    assert len(await found(acme, "fee")) == 1
    await put(acme, "Another document.")  # its job comes after those that tidy up
    assert len(await found(acme, "fee")) == 2


async def test_a_deleted_document_is_gone_at_once(acme: Client):
    await put(acme, "The fee is 7 euros.", document_id="fee")
    assert (await acme.call("DELETE", "/v1/documents/fee"))[0] == 204
    assert await found(acme, "fee") == set()
    assert (await acme.get("/v1/documents/fee"))[0] == 404
    assert (await acme.call("DELETE", "/v1/documents/fee"))[0] == 404
    assert (await acme.get("/v1/documents"))[1]["data"] == []
    again = await put(acme, "The fee is 7 euros.", document_id="fee")
    assert again["status"] == "ready"
    assert await found(acme, "fee") == {"The fee is 7 euros."}


async def test_an_idempotency_key_carries_a_request_out_once(acme: Client):
    headers = {"idempotency-key": "k1"}
    body = {"text": "The fee is 7 euros."}
    outcomes = [await acme.post("/v1/documents", body, headers=headers) for _ in range(3)]
    assert {status for status, _ in outcomes} == {202}
    assert len({document["id"] for _, document in outcomes}) == 1
    status, refused = await acme.post("/v1/documents", {"text": "Another."}, headers=headers)
    assert (status, refused["error"]["code"]) == (422, "invalid_request")


async def test_repeats_at_once_make_one_document(acme: Client):
    headers = {"idempotency-key": "k2"}

    async def upload() -> int:
        body = {"text": "The fee is 7 euros."}
        return (await acme.post("/v1/documents", body, headers=headers))[0]

    # Whichever comes second meets the first, or its result.
    statuses = await asyncio.gather(*(upload() for _ in range(8)))
    assert set(statuses) <= {202, 409}
    assert 202 in statuses
    assert len((await acme.get("/v1/documents"))[1]["data"]) == 1


async def test_documents_are_listed_in_pages(acme: Client):
    for i in range(5):
        await put(acme, f"Text {i}.", wait=0, document_id=f"d{i}")
    seen: list[str] = []
    after = ""
    while True:
        _, page = await acme.get(f"/v1/documents?limit=2{after}")
        seen += [document["id"] for document in page["data"]]
        assert page["first_id"] == page["data"][0]["id"]
        if not page["has_more"]:
            break
        after = f"&after={page['last_id']}"
    assert seen == [f"d{i}" for i in range(5)]
    assert (await acme.get("/v1/documents?after=unknown"))[0] == 422


async def test_an_erased_tenant_leaves_nothing(admin: Client, server: Any):
    _, tenant = await admin.post("/admin/tenants", {"name": "leaving"})
    _, made = await admin.post(f"/admin/tenants/{tenant['id']}/keys", {})
    client = admin.with_key(made["secret"])
    await put(client, "The fee is 7 euros.", document_id="fee")
    originals = server.data_dir / "originals" / tenant["id"]
    assert list(originals.iterdir())
    assert (await admin.call("DELETE", f"/admin/tenants/{tenant['id']}"))[0] == 204
    assert (await client.get("/v1/documents"))[0] == 401
    assert (await admin.get(f"/admin/tenants/{tenant['id']}"))[0] == 404
    assert not originals.exists()
