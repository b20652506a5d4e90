"""Names that look like other names, tenants named where none should be, ids where others belong."""

from collections.abc import AsyncIterator
from unicodedata import normalize
from urllib.parse import quote

import aiohttp
import pytest
from tests.acceptance.server import Client, Server, new_tenant
from tests.isolation.canary import canaries_in, new_canary, question_about, text_about

QUESTION = question_about("refunds")
LETTERS = "café"
TWINS = {
    "case": ("Policy", "policy"),
    "normal form": (normalize("NFC", LETTERS), normalize("NFD", LETTERS)),
    "compatibility": ("ﬁle", "file"),
    "full width": ("\uff41", "a"),
    "homoglyph": ("\u0430", "a"),
    "turkish i": ("İd", "id"),
    "sharp s": ("straße", "strasse"),
    "surrounding space": (" a", "a"),
    "dots": ("a/./b", "a/b"),
    "double slash": ("a//b", "a/b"),
    "percent": ("a%2Fb", "a/b"),
    "plus": ("a+b", "a b"),
    "wildcard": ("a%", "ab"),
    "underscore": ("a_c", "abc"),
    "star": ("*", "a"),
    "length prefix": ("1:a", "a"),
    "number": ("1.0", "1"),
    "zero": ("01", "1"),
}
# Not printable, so no document may have such a name; a read or a deletion finds nothing.
UNPRINTABLE = [
    "\x1f",
    "a\x1fb",
    "a\u200bb",
    "\u202epolicy",
    "a\nb",
    "\ufeffpolicy",
    " ",
]
TENANT_HEADERS = (
    "x-tenant-id",
    "x-tenant",
    "x-carrel-tenant",
    "x-carrel-tenant-id",
    "tenant-id",
    "tenant_id",
    "x-forwarded-user",
    "x-user-id",
    "openai-organization",
    "openai-project",
)


class Pair:
    """A victim with documents, and an attacker with one of its own."""

    def __init__(self, victim: Client, attacker: Client, victim_id: str) -> None:
        self.victim = victim
        self.attacker = attacker
        self.victim_id = victim_id
        self.canary = new_canary()
        self.attackers_canary = new_canary()

    async def upload(self, client: Client, name: str, **more: object) -> str:
        canary = self.canary if client is self.victim else self.attackers_canary
        status, made = await client.post(
            "/v1/documents?wait=30",
            {"document_id": name, "text": text_about("refunds", canary), **more},
        )
        assert (status, made["status"]) == (202, "ready"), made
        return made["id"]

    async def found(self, client: Client, **more: object) -> set[str]:
        """The documents that a search finds; whoever searches, their texts are its own."""
        status, found = await client.post("/v1/search", {"query": QUESTION, "top_k": 50, **more})
        assert status == 200, found
        own = self.canary if client is self.victim else self.attackers_canary
        assert all(canaries_in(hit["text"]) == {own} for hit in found["hits"])
        return {hit["document_id"] for hit in found["hits"]}


@pytest.fixture
async def pair(admin: Client) -> AsyncIterator[Pair]:
    victim, attacker = await new_tenant(admin, "victim"), await new_tenant(admin, "attacker")
    status, tenants = await admin.get("/admin/tenants")
    assert status == 200
    made = Pair(victim, attacker, [t["id"] for t in tenants["data"] if t["name"] == "victim"][-1])
    await made.upload(victim, "secret-plan", metadata={"lang": "en"})
    await made.upload(attacker, "mine")
    yield made
    assert "secret-plan" in await made.found(victim)


@pytest.mark.parametrize("kind", TWINS)
async def test_twins_are_two_documents_in_one_tenant_and_in_two(pair: Pair, kind: str) -> None:
    one, other = TWINS[kind]
    await pair.upload(pair.victim, one)
    await pair.upload(pair.attacker, other)
    assert (await pair.attacker.get(_path(one)))[0] == 404
    assert (await pair.victim.get(_path(other)))[0] == 404
    assert (await pair.attacker.call("DELETE", _path(one)))[0] == 404
    assert await pair.found(pair.attacker) == {"mine", other}
    await pair.upload(pair.attacker, one)
    assert await pair.found(pair.attacker) == {"mine", one, other}
    assert (await pair.attacker.call("DELETE", _path(other)))[0] == 204
    assert await pair.found(pair.attacker) == {"mine", one}
    assert await pair.found(pair.victim) == {"secret-plan", one}


@pytest.mark.parametrize("delimiter", [":", "/", "|", ",", "=", "%2F", "#", "?", "\\", "..", ";"])
async def test_no_name_made_of_a_tenants_id_reaches_that_tenant(pair: Pair, delimiter: str) -> None:
    for name in (
        f"{pair.victim_id}{delimiter}secret-plan",
        f"{delimiter}{pair.victim_id}{delimiter}secret-plan",
        f"secret-plan{delimiter}",
        f"{delimiter}secret-plan",
        f"x{delimiter}{delimiter}secret-plan",
    ):
        assert (await pair.attacker.get(_path(name)))[0] == 404
        assert (await pair.attacker.call("DELETE", _path(name)))[0] == 404
        await pair.upload(pair.attacker, name)
        assert await pair.found(pair.attacker) == {"mine", name}
        assert (await pair.attacker.call("DELETE", _path(name)))[0] == 204
    assert await pair.found(pair.victim) == {"secret-plan"}


@pytest.mark.parametrize("name", UNPRINTABLE)
async def test_names_that_cannot_be_printed_are_refused(pair: Pair, name: str) -> None:
    status, _ = await pair.attacker.post("/v1/documents", {"document_id": name, "text": "text"})
    assert status == 422
    assert (await pair.attacker.get(_path(name)))[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/v1/documents/{tenant}/secret-plan",
        "/v1/documents/..%2f{tenant}%2fsecret-plan",
        "/v1/documents/../{tenant}/secret-plan",
        "/v1/documents/%2e%2e/{tenant}/secret-plan",
        "/v1/documents/secret-plan?tenant_id={tenant}",
        "/v1/documents/secret-plan;tenant_id={tenant}",
        "/v1/documents/secret-plan%3Ftenant_id={tenant}",
        "/v1/documents/secret-plan%00",
        "/v1/documents/secret-plan/",
        "//v1/documents/secret-plan",
        "/v1//documents/secret-plan",
        "/V1/documents/secret-plan",
        "/v1/tenants/{tenant}/documents/secret-plan",
        "/{tenant}/v1/documents/secret-plan",
        "/v1/documents/%ff%fe",
        "/v1/models/..%2fdocuments%2fsecret-plan",
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD", "PATCH", "PUT"])
async def test_no_path_leads_to_another_tenants_document(
    pair: Pair, path: str, method: str
) -> None:
    status, body = await pair.attacker.call(method, path.format(tenant=pair.victim_id))
    assert status in (404, 405, 307), body
    assert pair.canary not in str(body)


@pytest.mark.parametrize("header", TENANT_HEADERS)
async def test_no_header_names_a_tenant(pair: Pair, header: str) -> None:
    headers = {header: pair.victim_id}
    assert (await pair.attacker.get("/v1/documents/secret-plan", headers=headers))[0] == 404
    status, found = await pair.attacker.post("/v1/search", {"query": QUESTION}, headers=headers)
    assert (status, {hit["document_id"] for hit in found["hits"]}) == (200, {"mine"})
    status, made = await pair.attacker.post(
        "/v1/documents?wait=30", {"document_id": "secret-plan", "text": "Mine."}, headers=headers
    )
    assert (status, made["version"]) == (202, 1)


@pytest.mark.parametrize("field", ["tenant_id", "tenant", "visible_to", "groups_of", "sees"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/search", {"query": QUESTION}),
        ("/v1/query", {"question": QUESTION}),
        ("/v1/documents", {"text": "Anything."}),
        (
            "/v1/chat/completions",
            {"model": "m", "messages": [{"role": "user", "content": QUESTION}]},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_no_field_of_a_body_names_a_tenant(
    pair: Pair, path: str, body: dict[str, object], field: str
) -> None:
    status, answer = await pair.attacker.post(path, {**body, field: pair.victim_id})
    # OpenAI's clients send what they like, and it means nothing; elsewhere it is a mistake.
    assert status == (200 if path == "/v1/chat/completions" else 422), answer
    assert pair.canary not in str(answer)


@pytest.mark.parametrize("field", ["tenant_id", "visible_to", "document_id", "version", "facts"])
async def test_metadata_that_is_named_like_a_payloads_field_is_metadata(
    pair: Pair, field: str
) -> None:
    await pair.upload(pair.attacker, "odd", metadata={field: pair.victim_id})
    assert await pair.found(pair.victim) == {"secret-plan"}
    assert await pair.found(pair.attacker) == {"mine", "odd"}
    assert await pair.found(pair.attacker, filter={field: pair.victim_id}) == {"odd"}
    assert await pair.found(pair.victim, filter={field: pair.victim_id}) == set()


@pytest.mark.parametrize(
    "where",
    [
        {"tenant_id": "{tenant}"},
        {"tenant_id": ["{tenant}", "x"]},
        {"document_id": "secret-plan"},
        {"lang": "en"},
        {"visible_to": "everyone"},
        {"visible_to": ["everyone", "group:"]},
        {"tenant_id": {"gte": "0001-01-01"}},
        {"version": {"gte": -1}},
        {"version": {"lte": 100}},
    ],
)
async def test_a_filter_only_ever_narrows(pair: Pair, where: dict[str, object]) -> None:
    named = {
        field: pair.victim_id if value == "{tenant}" else value for field, value in where.items()
    }
    assert await pair.found(pair.attacker, filter=named) == set()


@pytest.mark.parametrize(
    "where",
    [
        {"must": [{"key": "tenant_id", "match": {"value": "{tenant}"}}]},
        {"should": [{}]},
        {"must_not": []},
        {"has_id": []},
        {"tenant_id": None},
        {"tenant_id": {"any": ["{tenant}"]}},
        {"tenant_id": {"$ne": "x"}},
        {'x"].tenant_id': "a"},
        {"metadata.tenant_id": "a"},
        {"tenant_id[]": "a"},
        [{"tenant_id": "a"}],
        "tenant_id = 'a' OR 1=1",
    ],
    ids=str,
)
async def test_a_filter_of_another_grammar_is_refused(pair: Pair, where: object) -> None:
    status, answer = await pair.attacker.post("/v1/search", {"query": QUESTION, "filter": where})
    assert status == 422
    assert pair.canary not in str(answer)


@pytest.mark.parametrize(
    "filename", ["../../secret-plan.md", "/etc/passwd.md", "..\\..\\x.md", "{tenant}/x.md", ".md"]
)
async def test_a_files_name_is_only_ever_a_title(pair: Pair, server: Server, filename: str) -> None:
    name = filename.format(tenant=pair.victim_id)
    folder = server.data_dir / "originals" / pair.victim_id
    before = sorted(folder.iterdir())
    status, made = await pair.attacker.upload(name, b"# Mine\n\nAnything.", document_id=name)
    assert (status, made["id"], made["version"]) == (202, name, 1)
    assert sorted(folder.iterdir()) == before
    assert {path.parent.parent for path in server.data_dir.rglob("org_*")} == {folder.parent}


async def test_a_repeated_idempotency_key_of_another_tenant_is_ones_own(pair: Pair) -> None:
    key = {"idempotency-key": "one"}
    text = {"text": text_about("refunds", pair.canary)}
    _, first = await pair.victim.post("/v1/documents", text, headers=key)
    status, second = await pair.attacker.post("/v1/documents", {"text": "Other."}, headers=key)
    assert status == 202
    assert second["id"] != first["id"]
    assert (await pair.attacker.get(_path(first["id"])))[0] == 404
    assert (await pair.victim.post("/v1/documents", text, headers=key))[1]["id"] == first["id"]


async def test_two_credentials_are_not_one_more_than_one(pair: Pair, server: Server) -> None:
    """Of two headers, either is taken; both never are, and none is taken for the other's tenant."""
    keys = [pair.attacker.key, pair.victim.key]
    headers = [("authorization", f"Bearer {key}") for key in keys]
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/v1/documents/mine", headers=headers) as response,
    ):
        assert response.status in (200, 400, 401)
    for value in (f"Bearer {keys[0]},{keys[1]}", f"Bearer {keys[0]} {keys[1]}", f"bearer{keys[1]}"):
        status, _ = await pair.attacker.with_key(None).get(
            "/v1/documents/secret-plan", headers={"authorization": value}
        )
        assert status == 401


def _path(name: str) -> str:
    return f"/v1/documents/{quote(name, safe='')}"
