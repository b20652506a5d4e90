"""Bad input is a clear error in the one shape, and the server lives on."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.acceptance.server import Client, Server, new_tenant

SAMPLES = Path(__file__).parent.parent / "samples"


def check_shape(body: Any, code: str) -> None:
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "code", "param", "request_id"}
    assert body["error"]["code"] == code
    assert body["error"]["request_id"].startswith("req_")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"question": ""}, "question"),
        ({"question": "   "}, "question"),
        ({"question": "x" * 100_000}, "question"),
        ({"question": 7}, "question"),
        ({"question": "a\0b"}, "question"),
        ({}, "question"),
        ({"question": "x", "top_k": 0}, "top_k"),
        ({"question": "x", "max_tokens": -1}, "max_tokens"),
        ({"question": "x", "model": "gpt-unknown"}, "model"),
        ({"question": "x", "cache": "never"}, "cache"),
        ({"question": "x", "tenant_id": "ten_other"}, "tenant_id"),
        ({"question": "x", "filter": {"a": {"near": 1}}}, "filter.a"),
        ({"question": "x", "filter": {"a.b": 1}}, "filter.a.b"),
        ({"question": "x", "filter": {"a": []}}, "filter.a"),
    ],
)
async def test_a_wrong_question_names_the_field(acme: Client, body: Any, param: str):
    status, answer = await acme.post("/v1/query", body)
    assert status == 422
    check_shape(answer, "invalid_request")
    assert answer["error"]["param"] == param


@pytest.mark.parametrize("raw", [b"", b"{", b'{"question": "\xff"}', b"[]", b"null", b"\0" * 100])
async def test_broken_json_is_refused(acme: Client, raw: bytes):
    for path in ("/v1/query", "/v1/documents", "/v1/chat/completions"):
        status, answer = await acme.call(
            "POST", path, data=raw, headers={"content-type": "application/json"}
        )
        assert status == 422, (path, raw)
        check_shape(answer, "invalid_request")


@pytest.mark.parametrize("key", [None, "wrong", "crl_" + "0" * 49, "\u00e9"])
async def test_without_a_valid_key_there_is_nothing(acme: Client, key: str | None):
    for method, path in (
        ("POST", "/v1/query"),
        ("GET", "/v1/documents"),
        ("GET", "/admin/tenants"),
    ):
        status, answer = await acme.with_key(key).call(method, path)
        assert status == 401
        check_shape(answer, "invalid_api_key")


async def test_a_revoked_key_is_refused(admin: Client):
    _, tenant = await admin.post("/admin/tenants", {"name": "t"})
    _, made = await admin.post(f"/admin/tenants/{tenant['id']}/keys", {})
    client = admin.with_key(made["secret"])
    assert (await client.get("/v1/documents"))[0] == 200
    assert (await admin.call("DELETE", f"/admin/keys/{made['id']}"))[0] == 204
    status, answer = await client.get("/v1/documents")
    assert status == 401
    check_shape(answer, "invalid_api_key")


async def test_a_key_without_the_scope_is_refused(admin: Client):
    reader = await new_tenant(admin, "t", scopes=["documents:read"])
    assert (await reader.get("/v1/documents"))[0] == 200
    for path in ("/v1/query", "/v1/search", "/v1/documents"):
        status, answer = await reader.post(path, {"question": "x", "query": "x", "text": "x"})
        assert status == 403
        check_shape(answer, "insufficient_scope")
    assert (await reader.get("/admin/tenants"))[0] == 403
    assert (await admin.post("/v1/query", {"question": "x"}))[0] == 403


async def test_unknown_and_foreign_ids_are_the_same(acme: Client, globex: Client):
    await acme.post("/v1/documents?wait=30", {"text": "A secret.", "document_id": "theirs"})
    for document_id in ("unknown", "theirs", "%2e%2e%2ftheirs", "a/b", "theirs%2f"):
        answers = [
            await globex.call(method, f"/v1/documents/{document_id}")
            for method in ("GET", "DELETE")
        ]
        for status, answer in answers:
            assert status == 404
            check_shape(answer, "not_found")
            assert answer["error"]["message"] == "no such document"
    assert (await acme.get("/v1/documents/theirs"))[0] == 200
    assert (await acme.get("/v1/nothing"))[0] == 404


def docx_bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w", force_zip64=True) as member:
            for _ in range(60):
                member.write(b"\0" * 5_000_000)
    return buffer.getvalue()


def unreadable(name: str) -> bytes:
    made = {"blank.txt": b" \n\t\n", "broken.docx": b"PK\x03\x04 this is no archive"}
    if name == "bomb.docx":
        return docx_bomb()
    return made.get(name) or (SAMPLES / name).read_bytes()


@pytest.mark.parametrize(
    "name", ["encrypted.pdf", "truncated.pdf", "bomb.docx", "blank.txt", "broken.docx"]
)
async def test_what_cannot_be_read_fails_with_a_reason(acme: Client, server: Server, name: str):
    status, document = await acme.upload(name, unreadable(name), wait=60)
    if status == 202:
        assert document["status"] == "failed", document
        assert len(document["error"]) > 10
        assert "Traceback" not in document["error"]
    else:
        assert status in (415, 422)
        check_shape(document, document["error"]["code"])
    assert server.is_ready()


async def test_an_empty_file_is_refused(acme: Client):
    status, answer = await acme.upload("empty.txt", b"")
    assert status == 422
    check_shape(answer, "invalid_request")
    assert "empty" in answer["error"]["message"]


async def test_a_wrong_extension_is_told_by_the_content(acme: Client):
    status, answer = await acme.upload("photo.pdf", (SAMPLES / "picture.png").read_bytes())
    assert status == 415
    check_shape(answer, "unsupported_media_type")
    status, document = await acme.upload(
        "really-a-pdf.txt", (SAMPLES / "handbook.pdf").read_bytes()
    )
    assert status == 415 or document["media_type"] == "application/pdf"


async def test_forty_megabytes_of_html_are_read_or_refused_in_time(acme: Client, server: Server):
    page = b"<html><body>" + b"<p>The fee is seven dollars.</p>" * 1_300_000 + b"</body></html>"
    status, document = await acme.upload("large.html", page, wait=60)
    assert status == 202
    for _ in range(3):
        if document["status"] in ("ready", "failed"):
            break
        _, document = await acme.get(f"/v1/documents/{document['id']}?wait=60")
    assert document["status"] == "failed"
    assert server.is_ready()


async def test_too_large_a_file_is_refused(acme: Client):
    status, answer = await acme.upload("huge.txt", b"word " * 11_000_000)
    assert status == 413
    check_shape(answer, "too_large")


async def test_a_form_without_a_file_says_so(acme: Client):
    form = aiohttp.MultipartWriter("form-data")
    form.append("no file").set_content_disposition("form-data", name="title")
    status, answer = await acme.call("POST", "/v1/documents", data=form)
    assert status == 422
    check_shape(answer, "invalid_request")
    assert answer["error"]["param"] == "file"


async def test_metadata_that_is_no_flat_object_is_refused(acme: Client):
    for metadata in ("{", "[]", '{"a": {"b": 1}}', '{"a b": 1}', '{"a": null}'):
        status, answer = await acme.upload("a.txt", b"text", metadata=metadata)
        assert status == 422, metadata
        check_shape(answer, "invalid_request")


@pytest.mark.parametrize("weak", ["short", "changeme" * 8, "a" * 40])
def test_a_weak_admin_key_refuses_to_start(tmp_path: Path, weak: str):
    ended = subprocess.run(
        [sys.executable, "-m", "carrel", "serve", "--port", "0"],
        env={**os.environ, "CARREL_ADMIN_KEY": weak, "CARREL_DATA_DIR": str(tmp_path / "d")},
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
        check=False,
    )
    assert ended.returncode != 0
    assert "CARREL_ADMIN_KEY" in ended.stderr
    assert "openssl rand" in ended.stderr
    assert "Traceback" not in ended.stderr
