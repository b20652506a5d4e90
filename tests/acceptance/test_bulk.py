"""Many files in one request."""

import aiohttp
from tests.acceptance.server import Client


def form(files: dict[str, bytes], **fields: str) -> aiohttp.FormData:
    made = aiohttp.FormData(fields)
    for name, content in files.items():
        made.add_field("file", content, filename=name)
    return made


async def test_each_file_is_taken_or_refused_by_itself(acme: Client, globex: Client):
    files = {"a.md": b"The fee is 7 euros.", "logo.png": b"\x89PNG\r\n\x1a\n", "b.md": b"Fee: 8."}
    sent = {"metadata": '{"year": 2026}'}
    status, said = await acme.call("POST", "/v1/documents/bulk", data=form(files, **sent))
    assert status == 202, said
    first, refused, last = said["data"]
    assert (first["id"], last["id"]) == ("a.md", "b.md")
    assert (refused["filename"], refused["error"]["code"]) == (
        "logo.png",
        "unsupported_media_type",
    )
    for name in ("a.md", "b.md"):
        _, document = await acme.get(f"/v1/documents/{name}?wait=30")
        assert (document["status"], document["metadata"]) == ("ready", {"year": 2026})
        status, _ = await globex.get(f"/v1/documents/{name}")
        assert status == 404
    status, said = await acme.call("POST", "/v1/documents/bulk", data=form(files, **sent))
    assert [each.get("version") for each in said["data"]] == [1, None, 1]


async def test_a_form_without_files_is_refused(acme: Client):
    status, _ = await acme.call("POST", "/v1/documents/bulk", data=form({}, title="x"))
    assert status in (415, 422)
    status, _ = await acme.post("/v1/documents/bulk", {"text": "a"})
    assert status == 415
