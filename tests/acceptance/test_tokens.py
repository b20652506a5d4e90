"""Signed tokens over HTTP: who they let in, and the attacks that they must withstand."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
import pytest
from tests.acceptance.server import ADMIN_KEY, Client, Server, running
from tests.issuer import (
    AUDIENCE,
    ISSUER,
    SECRET,
    KeySet,
    claims,
    ec_key,
    jwk,
    pem,
    published,
    raw_token,
    rsa_key,
)

RSA, EC, STRANGER = rsa_key(), ec_key(), rsa_key()
NOW = int(time.time())
CALLS = (("POST", "/v1/search"), ("GET", "/v1/documents"), ("GET", "/admin/tenants"))


@dataclass
class House:
    """A server that takes tokens, with two tenants and one that is suspended."""

    server: Server
    client: Client
    tenant: str
    other: str
    suspended: str

    async def search(self, token: str) -> tuple[int, Any]:
        return await self.client.with_key(token).post("/v1/search", {"query": "refunds"})


@pytest.fixture(scope="session")
def key_set() -> Iterator[KeySet]:
    keys = [jwk(RSA, "rsa-1", alg="RS256"), jwk(EC, "ec-1", use="sig")]
    with published(KeySet(keys=keys)) as running_set:
        yield running_set


@pytest.fixture(scope="session")
def servers(
    tmp_path_factory: pytest.TempPathFactory, key_set: KeySet
) -> Iterator[Callable[[str], Server]]:
    """A server for each kind of key, started when first asked for."""
    kinds = {
        "jwks": {"CARREL_JWT__JWKS_URL": key_set.url},
        "pem": {"CARREL_JWT__PUBLIC_KEY": pem(RSA).replace("\n", "\\n")},
        "secret": {"CARREL_JWT__SECRET": SECRET},
    }
    started: dict[str, Any] = {}

    def of_kind(kind: str) -> Server:
        if kind not in started:
            environment = {
                "CARREL_JWT__ISSUER": ISSUER,
                "CARREL_JWT__AUDIENCE": AUDIENCE,
                **kinds[kind],
            }
            context = running(tmp_path_factory.mktemp(kind), environment)
            started[kind] = (context, context.__enter__())
        return started[kind][1]

    yield of_kind
    for context, _ in started.values():
        context.__exit__(None, None, None)


@pytest.fixture
async def house(
    request: pytest.FixtureRequest, servers: Callable[[str], Server]
) -> AsyncIterator[House]:
    server = servers(getattr(request, "param", "jwks"))
    async with aiohttp.ClientSession() as session:
        admin = Client(session, server.url, ADMIN_KEY)
        made: list[str] = []
        for name in ("ours", "theirs", "suspended"):
            _, tenant = await admin.post("/admin/tenants", {"name": name})
            made.append(tenant["id"])
        path = f"/admin/tenants/{made[2]}"
        await admin.call("PATCH", path, json={"status": "suspended"})
        yield House(server, admin, *made)


def _rsa(payload: dict[str, Any], key: Any = RSA, kid: Any = "rsa-1", alg: str = "RS256") -> str:
    return jwt.encode(payload, key, alg, headers={"kid": kid} if kid is not None else {})


def _confused(payload: dict[str, Any], kid: str) -> str:
    """Signed by HMAC, with the bytes of the public key as its secret."""
    return _hmac(payload, pem(RSA).encode(), kid)


def _hmac(payload: dict[str, Any], secret: bytes, kid: str) -> str:
    unsigned = raw_token({"alg": "HS256", "typ": "JWT", "kid": kid}, payload).rpartition(".")[0]
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = algorithm.sign(unsigned.encode(), secret)
    return f"{unsigned}.{jwt.utils.base64url_encode(signature).decode()}"


def _altered(token: str, payload: dict[str, Any]) -> str:
    """*token* with another payload under its signature."""
    header, _, signature = token.split(".")
    return ".".join((header, raw_token({}, payload).split(".")[1], signature))


def _embedded(payload: dict[str, Any]) -> str:
    header = {"jwk": jwk(STRANGER, "rsa-1"), "kid": "rsa-1", "jku": "http://127.0.0.1:1/keys"}
    return jwt.encode(payload, STRANGER, "RS256", headers=header)


# Each makes a token out of a house; the comment is what an attacker hopes for.
ATTACKS: dict[str, Callable[[House], str]] = {
    "alg none": lambda h: raw_token({"alg": "none"}, claims(h.tenant)),
    "alg none, spelt otherwise": lambda h: raw_token({"alg": "nOnE"}, claims(h.tenant)),
    "alg none, with a known key's id": lambda h: raw_token(
        {"alg": "none", "kid": "rsa-1"}, claims(h.tenant)
    ),
    "no alg": lambda h: raw_token({"kid": "rsa-1"}, claims(h.tenant)),
    "alg is a list": lambda h: raw_token({"alg": ["none"]}, claims(h.tenant)),
    "signature removed": lambda h: _rsa(claims(h.tenant)).rpartition(".")[0] + ".",
    "the public key as an HMAC secret": lambda h: _confused(claims(h.tenant), "rsa-1"),
    "an empty HMAC secret": lambda h: _hmac(claims(h.tenant), b"", "rsa-1"),
    "signed by a stranger under a known id": lambda h: _rsa(claims(h.tenant), STRANGER),
    "signed by a stranger under an unknown id": lambda h: _rsa(claims(h.tenant), STRANGER, "x"),
    "signed by a stranger under no id": lambda h: _rsa(claims(h.tenant), STRANGER, None),
    "its own key in the header": lambda h: _embedded(claims(h.tenant)),
    "a key of another kind's id": lambda h: _rsa(claims(h.tenant), RSA, "ec-1"),
    "an algorithm that the key is not for": lambda h: _rsa(claims(h.tenant), RSA, "rsa-1", "RS512"),
    "the key's id is a path": lambda h: _rsa(claims(h.tenant), STRANGER, "../../dev/null"),
    "the key's id is SQL": lambda h: _rsa(claims(h.tenant), STRANGER, "' OR 1=1 --"),
    "the key's id is a number": lambda h: raw_token({"alg": "RS256", "kid": 1}, claims(h.tenant)),
    "the key's id is an object": lambda h: raw_token(
        {"alg": "RS256", "kid": {"$ne": None}}, claims(h.tenant)
    ),
    "expired": lambda h: _rsa(claims(h.tenant, exp=NOW - 3600)),
    "no expiry": lambda h: _rsa(claims(h.tenant, exp=None)),
    "an expiry that is no number": lambda h: _rsa(claims(h.tenant, exp="tomorrow")),
    "not valid yet": lambda h: _rsa(claims(h.tenant, nbf=NOW + 3600)),
    "issued in the future": lambda h: _rsa(claims(h.tenant, iat=NOW + 3600)),
    "another audience": lambda h: _rsa(claims(h.tenant, aud="another")),
    "several other audiences": lambda h: _rsa(claims(h.tenant, aud=["a", "b"])),
    "no audience": lambda h: _rsa(claims(h.tenant, aud=None)),
    "another issuer": lambda h: _rsa(claims(h.tenant, iss="https://evil.test/")),
    "an issuer that begins the same": lambda h: _rsa(claims(h.tenant, iss=ISSUER + "x")),
    "no issuer": lambda h: _rsa(claims(h.tenant, iss=None)),
    "no subject": lambda h: _rsa(claims(h.tenant, sub=None)),
    "no tenant": lambda h: _rsa(claims(h.tenant, tenant_id=None)),
    "an unknown tenant": lambda h: _rsa(claims("ten_00000000000000000000000000")),
    "a list of tenants": lambda h: _rsa(claims(h.tenant, tenant_id=[h.tenant, h.other])),
    "a tenant with a NUL": lambda h: _rsa(claims(h.tenant + "\0")),
    "another tenant's id under the same signature": lambda h: _altered(
        _rsa(claims(h.tenant)), claims(h.other)
    ),
    "groups that are no list": lambda h: _rsa(claims(h.tenant, groups="staff")),
    "a thousand groups": lambda h: _rsa(claims(h.tenant, groups=[str(i) for i in range(300)])),
    "a group with a NUL": lambda h: _rsa(claims(h.tenant, groups=["\0"])),
    "a header that must be understood": lambda h: jwt.encode(
        claims(h.tenant), RSA, "RS256", headers={"kid": "rsa-1", "crit": ["exp"], "exp": 1}
    ),
    "huge": lambda h: _rsa(claims(h.tenant, note="x" * 20_000)),
    "deeply nested": lambda h: f"{'W1tb' * 2000}.e30.",
    "empty parts": lambda h: "..",
    "not base64": lambda h: "%%%.%%%.%%%",
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_attack_is_refused(house: House, attack: str) -> None:
    token = ATTACKS[attack](house)
    for method, path in CALLS:
        body = {"query": "refunds"} if method == "POST" else None
        status, answer = await house.client.with_key(token).call(method, path, json=body)
        assert status == 401, answer
        assert set(answer["error"]) == {"message", "type", "code", "param", "request_id"}
        assert answer["error"]["code"] == "invalid_api_key"
        assert token not in str(answer)


async def test_a_suspended_tenants_token_is_refused(house: House) -> None:
    status, answer = await house.search(_rsa(claims(house.suspended)))
    assert (status, answer["error"]["code"]) == (403, "insufficient_scope")


@pytest.mark.parametrize(
    "scope",
    ["", None, "admin", "QUERY", ["admin"], {"search": True}, 7, "search:all", [["search"]]],
    ids=str,
)
async def test_a_token_without_the_scope_is_refused(house: House, scope: object) -> None:
    token = _rsa(claims(house.tenant, scope=scope))
    status, answer = await house.search(token)
    assert (status, answer["error"]["code"]) == (403, "insufficient_scope")


async def test_a_token_never_makes_an_administrator(house: House) -> None:
    everything = "query search documents:read documents:write usage:read admin"
    for scope in (everything, everything.split()):
        token = _rsa(claims(house.tenant, scope=scope))
        assert (await house.search(token))[0] == 200
        status, answer = await house.client.with_key(token).get("/admin/tenants")
        assert (status, answer["error"]["code"]) == (403, "insufficient_scope")


def _by_kind(kind: str, payload: dict[str, Any]) -> str:
    if kind == "secret":
        return jwt.encode(payload, SECRET, "HS256")
    return _rsa(payload, kid="rsa-1" if kind == "jwks" else None)


@pytest.mark.parametrize("house", ["jwks", "pem", "secret"], indirect=True)
async def test_a_good_token_stands_for_its_tenant_alone(
    house: House, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["house"]
    everything = "documents:read documents:write search"
    ours = house.client.with_key(_by_kind(kind, claims(house.tenant, scope=everything)))
    theirs = house.client.with_key(_by_kind(kind, claims(house.other, scope=everything)))
    text = {"document_id": "policy", "text": "# Refunds\n\nRefunds take 30 days."}
    status, document = await ours.post("/v1/documents?wait=30", text)
    assert (status, document["status"]) == (202, "ready")
    assert (await ours.get("/v1/documents/policy"))[0] == 200
    assert (await theirs.get("/v1/documents/policy"))[0] == 404
    assert (await theirs.get("/v1/documents"))[1]["data"] == []


@pytest.mark.parametrize("house", ["pem", "secret"], indirect=True)
@pytest.mark.parametrize(
    "attack",
    ["alg none", "the public key as an HMAC secret", "its own key in the header", "expired"],
)
async def test_an_attack_is_refused_whatever_kind_of_key_is_set(house: House, attack: str) -> None:
    assert (await house.search(ATTACKS[attack](house)))[0] == 401


@pytest.mark.parametrize("house", ["secret"], indirect=True)
async def test_a_shared_secret_verifies_no_other_algorithm(house: House) -> None:
    for token in (
        jwt.encode(claims(house.tenant), "another-secret-of-sufficient-length!", "HS256"),
        jwt.encode(claims(house.tenant), SECRET * 2, "HS512"),
        _rsa(claims(house.tenant)),
    ):
        assert (await house.search(token))[0] == 401


async def test_the_groups_of_a_token_decide_what_it_sees(house: House) -> None:
    write = "documents:read documents:write"
    clerk = house.client.with_key(_rsa(claims(house.tenant, scope=write, groups=["hr"])))
    text = {"document_id": "pay", "text": "# Pay\n\nPay is monthly.", "groups": ["hr"]}
    assert (await clerk.post("/v1/documents?wait=30", text))[0] == 202
    assert (await clerk.get("/v1/documents/pay"))[0] == 200
    visitor = house.client.with_key(_rsa(claims(house.tenant, scope=write, sub="visitor")))
    assert (await visitor.get("/v1/documents/pay"))[0] == 404


async def test_a_token_is_refused_once_its_tenant_is_suspended(house: House) -> None:
    token = _rsa(claims(house.tenant))
    assert (await house.search(token))[0] == 200
    path = f"/admin/tenants/{house.tenant}"
    await house.client.call("PATCH", path, json={"status": "suspended"})
    assert (await house.search(token))[0] == 403


async def test_a_token_is_refused_once_it_has_expired(
    house: House, servers: Callable[[str], Server]
) -> None:
    # The server allows 30 s for clocks that differ: the token ended 29 s ago.
    token = _rsa(claims(house.tenant, exp=int(time.time()) - 28))
    assert (await house.search(token))[0] == 200
    async with asyncio.timeout(10):
        while (await house.search(token))[0] == 200:  # noqa: ASYNC110 - over HTTP there is no event
            await asyncio.sleep(0.1)


async def test_an_invented_key_id_does_not_make_the_server_ask_the_issuer_each_time(
    house: House, key_set: KeySet
) -> None:
    before = key_set.requests
    for number in range(30):
        token = _rsa(claims(house.tenant), STRANGER, f"invented-{number}")
        assert (await house.search(token))[0] == 401
    assert key_set.requests <= before + 2
