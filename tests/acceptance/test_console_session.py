"""The console's session: a key in exchange for a cookie that only the console's pages can use."""

from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any

import pytest
from tests.acceptance.server import ADMIN_KEY, Client, running

OWN = {"sec-fetch-site": "same-origin", "x-carrel-console": "-"}


async def _send(
    client: Client, method: str, path: str, headers: Mapping[str, str], json: Any = None
) -> tuple[int, Mapping[str, str], Any]:
    async with client.session.request(
        method, client.url + path, headers=headers, json=json, allow_redirects=False
    ) as answer:
        body = await answer.json() if answer.content_type == "application/json" else None
        heads = {name.lower(): value for name, value in answer.headers.items()}
        heads["set-cookie"] = "\n".join(answer.headers.getall("set-cookie", []))
        return answer.status, heads, body


async def _sign_in(client: Client, key: str, cookie: str = "", **more: str) -> tuple[str, Any]:
    """The cookie as it is sent back, and what the session is."""
    headers = {**OWN, **({"cookie": cookie} if cookie else {}), **more}
    status, heads, body = await _send(client, "POST", "/console/session", headers, {"key": key})
    assert status == 200, body
    [(name, morsel)] = SimpleCookie(heads["set-cookie"]).items()
    return f"{name}={morsel.value}", body


@pytest.fixture
def client(admin: Client) -> Client:
    """Without a key of its own."""
    return admin.with_key(None)


async def test_a_cookie_is_out_of_reach_of_scripts_and_other_sites(client: Client) -> None:
    headers, body = {**OWN}, {"key": ADMIN_KEY}
    _, heads, _ = await _send(client, "POST", "/console/session", headers, body)
    plain = heads["set-cookie"].lower()
    assert plain.startswith("carrel_session=")
    assert {"httponly", "samesite=strict", "path=/"} <= set(plain.split("; "))
    assert "secure" not in plain.split("; ")
    assert ADMIN_KEY not in heads["set-cookie"]
    assert heads["cache-control"] == "no-store"

    headers["origin"] = "https://carrel.example"
    _, heads, _ = await _send(client, "POST", "/console/session", headers, body)
    assert heads["set-cookie"].startswith("__Host-carrel_session=")
    words = set(heads["set-cookie"].lower().split("; "))
    assert {"httponly", "samesite=strict", "path=/", "secure"} <= words
    assert not any(word.startswith("domain=") for word in words)


async def test_an_unknown_key_signs_nobody_in(client: Client) -> None:
    status, heads, _ = await _send(client, "POST", "/console/session", OWN, {"key": "crl_no"})
    assert (status, heads["set-cookie"]) == (401, "")


async def test_a_session_reads_and_changes_as_its_key_would(client: Client, acme: Client) -> None:
    cookie, session = await _sign_in(client, ADMIN_KEY)
    assert [key["scopes"] for key in session["keys"]] == [["admin"]]
    status, heads, _ = await _send(client, "GET", "/admin/tenants", {"cookie": cookie})
    assert (status, heads["cache-control"]) == (200, "no-store")
    headers = {"cookie": cookie, **OWN}
    status, _, _ = await _send(client, "POST", "/admin/tenants", headers, {"name": "Umbrella"})
    assert status == 201


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-carrel-console": "-"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "cross-site", "x-carrel-console": "-"},
        {"sec-fetch-site": "same-site", "x-carrel-console": "-"},
        {"sec-fetch-site": "none", "x-carrel-console": "-"},
        {"origin": "http://evil.example", "x-carrel-console": "-"},
        {"origin": "null", "x-carrel-console": "-"},
        {"sec-fetch-site": "cross-site", "origin": "OWN", "x-carrel-console": "-"},
        {"origin": "OWN"},
    ],
)
async def test_another_site_changes_nothing_with_a_session(
    client: Client, headers: dict[str, str]
) -> None:
    headers = {name: client.url if value == "OWN" else value for name, value in headers.items()}
    cookie, _ = await _sign_in(client, ADMIN_KEY)
    sent = {**headers, "cookie": cookie}
    for method, path, body in (
        ("POST", "/admin/tenants", {"name": "forged"}),
        ("POST", "/console/session", {"key": ADMIN_KEY}),
        ("DELETE", "/console/session", None),
    ):
        status, heads, told = await _send(client, method, path, sent, body)
        assert (status, heads["set-cookie"]) == (403, ""), (method, path)
        assert told["error"]["code"] == "insufficient_scope"


async def test_without_fetch_metadata_the_origin_must_be_the_host(client: Client) -> None:
    cookie, _ = await _sign_in(client, ADMIN_KEY)
    headers = {"cookie": cookie, "x-carrel-console": "-", "origin": client.url}
    status, _, _ = await _send(client, "POST", "/admin/tenants", headers, {"name": "Umbrella"})
    assert status == 201


async def test_a_tenants_session_sees_no_admin_route(client: Client, acme: Client) -> None:
    cookie, session = await _sign_in(client, acme.key or "")
    [key] = session["keys"]
    assert key["tenant_name"] == "acme"
    assert "admin" not in key["scopes"]
    status, _, document = await _send(client, "GET", "/openapi.json", {})
    assert status == 200
    tried = 0
    for path, methods in document["paths"].items():
        for method in methods if path.startswith("/admin/") else ():
            filled = path.replace("{tenant_id}", key["tenant_id"]).replace("{key_id}", "key_x")
            sent = {"cookie": cookie, **OWN}
            status, _, _ = await _send(client, method, filled, sent, {"name": "x"})
            assert status == 403, (method, path)
            tried += 1
    assert tried > 10


async def test_an_administrator_chooses_which_key_of_the_session_asks(
    client: Client, acme: Client, globex: Client
) -> None:
    await acme.post("/v1/documents?wait=30", {"text": "Acme refunds within 30 days."})
    cookie, _ = await _sign_in(client, ADMIN_KEY)
    cookie, _ = await _sign_in(client, acme.key or "", cookie)
    cookie, session = await _sign_in(client, globex.key or "", cookie)
    keys = {key["tenant_name"]: key["key_id"] for key in session["keys"]}
    assert list(keys) == [None, "acme", "globex"]

    async def documents(chosen: str) -> tuple[int, Any]:
        headers = {"cookie": cookie, "x-carrel-console": chosen}
        status, _, body = await _send(client, "GET", "/v1/documents", headers)
        return status, body

    status, body = await documents(keys["acme"])
    assert (status, len(body["data"])) == (200, 1)
    status, body = await documents(keys["globex"])
    assert (status, body["data"]) == (200, [])
    assert (await documents("-"))[0] == 403, "an admin key reads no tenant's documents"
    assert (await documents("key_other"))[0] == 401
    status, _, told = await _send(client, "GET", "/console/session", {"cookie": cookie})
    assert (status, told) == (200, session)


async def test_a_session_ends_with_its_key(client: Client, admin: Client, acme: Client) -> None:
    cookie, session = await _sign_in(client, acme.key or "")
    status, _ = await admin.call("DELETE", f"/admin/keys/{session['keys'][0]['key_id']}")
    assert status == 204
    for path in ("/v1/documents", "/console/session"):
        status, _, _ = await _send(client, "GET", path, {"cookie": cookie})
        assert status == 401, path


async def test_signing_out_removes_the_cookies(client: Client) -> None:
    cookie, _ = await _sign_in(client, ADMIN_KEY)
    headers = {"cookie": cookie, **OWN}
    status, heads, _ = await _send(client, "DELETE", "/console/session", headers)
    assert status == 204
    removed = SimpleCookie(heads["set-cookie"].replace("\n", "; "))
    assert set(removed) == {"carrel_session", "__Host-carrel_session"}
    assert all(each.value == "" for each in removed.values())


async def test_a_changed_cookie_is_no_session(client: Client) -> None:
    cookie, _ = await _sign_in(client, ADMIN_KEY)
    middle = len(cookie) // 2
    for changed in (
        cookie[:middle] + ("A" if cookie[middle] != "A" else "B") + cookie[middle + 1 :],
        cookie[:-8],
        "carrel_session=",
        "carrel_session=%%%",
        "carrel_session=" + "A" * 5000,
    ):
        status, _, _ = await _send(client, "GET", "/admin/tenants", {"cookie": changed})
        assert status == 401, changed


async def test_a_key_in_the_header_goes_before_the_cookie(client: Client, acme: Client) -> None:
    cookie, _ = await _sign_in(client, ADMIN_KEY)
    headers = {"cookie": cookie, "authorization": f"Bearer {acme.key}"}
    status, _, _ = await _send(client, "GET", "/admin/tenants", headers)
    assert status == 403
    status, _, _ = await _send(client, "GET", "/v1/documents", headers)
    assert status == 200


async def test_every_page_has_the_policy_and_knows_its_session(client: Client) -> None:
    cookie, _ = await _sign_in(client, ADMIN_KEY)
    for path in ("/console", "/console/", "/console/tenants/ten_x"):
        async with client.session.get(client.url + path, headers={"cookie": cookie}) as answer:
            page = await answer.text()
            assert answer.status == 200
            policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "admin" in page
        assert answer.headers["cache-control"] == "no-store"
    async with client.session.get(client.url + "/console") as answer:
        assert 'name="carrel-session" content="null"' in await answer.text()


async def test_files_are_kept_and_no_path_leads_out(client: Client) -> None:
    async with client.session.get(client.url + "/console") as answer:
        page = await answer.text()
    script = page.partition('src="')[2].partition('"')[0]
    async with client.session.get(client.url + script) as answer:
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
        tag = answer.headers["etag"]
    async with client.session.get(client.url + script, headers={"if-none-match": tag}) as answer:
        assert answer.status == 304
    for path in ("assets/absent.js", "..%2F..%2F__init__.py", "index.html"):
        status, _, _ = await _send(client, "GET", f"/console/{path}", {})
        assert status == 404, path


async def test_servers_that_share_the_admin_key_share_sessions(
    client: Client, tmp_path: Any
) -> None:
    cookie, _ = await _sign_in(client, ADMIN_KEY)
    with running(tmp_path) as other:
        there = Client(client.session, other.url, None)
        status, _, _ = await _send(there, "GET", "/admin/tenants", {"cookie": cookie})
    assert status == 200
