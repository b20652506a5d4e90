"""A document's chunks: its text as searches see it, for those who may see the document."""

from tests.acceptance.server import Client, new_tenant

TEXT = "# Refunds\n\n" + "\n\n".join(
    f"Paragraph {n} tells of refunds, returns, receipts and what the shop keeps of them for years."
    for n in range(120)
)


async def test_chunks_are_the_documents_text_in_its_order(acme: Client) -> None:
    await acme.post("/v1/documents?wait=30", {"text": TEXT, "document_id": "a/chunks"})
    status, page = await acme.get("/v1/chunks?document_id=a/chunks&limit=3")
    assert (status, page["has_more"], page["version"]) == (200, True, 1)
    assert [each["ordinal"] for each in page["data"]] == [0, 1, 2]
    status, rest = await acme.get("/v1/chunks?document_id=a/chunks&first=3&limit=500")
    assert (status, rest["has_more"]) == (200, False)
    for each in page["data"] + rest["data"]:
        assert each["text"] == TEXT[each["start"] : each["end"]]
    assert rest["data"][-1]["end"] >= len(TEXT) - 1


async def test_chunks_are_those_of_the_live_version(acme: Client) -> None:
    for text in ("The first version.", "The second version."):
        await acme.post("/v1/documents?wait=30", {"text": text, "document_id": "v"})
    _, page = await acme.get("/v1/chunks?document_id=v")
    assert [each["text"] for each in page["data"]] == ["The second version."]
    assert page["version"] == 2


async def test_chunks_of_a_groups_document_are_for_the_group(admin: Client, acme: Client) -> None:
    hr = await _with_groups(admin, ["hr"])
    body = {"text": "Salaries.", "document_id": "pay", "groups": ["hr"]}
    await hr.post("/v1/documents?wait=30", body)
    status, page = await hr.get("/v1/chunks?document_id=pay")
    assert (status, len(page["data"])) == (200, 1)
    _, tenants = await admin.get("/admin/tenants")
    tenant = next(each for each in tenants["data"] if each["name"] == "with groups")
    _, other = await admin.post(f"/admin/tenants/{tenant['id']}/keys", {"groups": ["it"]})
    status, _ = await admin.with_key(other["secret"]).get("/v1/chunks?document_id=pay")
    assert status == 404
    status, _ = await acme.get("/v1/chunks?document_id=pay")
    assert status == 404


async def _with_groups(admin: Client, groups: list[str]) -> Client:
    return await new_tenant(admin, "with groups", groups=groups)
