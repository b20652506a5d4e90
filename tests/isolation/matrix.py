"""A victim, an attacker, and the requests of everyone who must not have what is the victim's.

The victim's name, key names, titles, texts and metadata hold its canary.
"""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from tests.acceptance.server import ADMIN_KEY, Client, Server
from tests.isolation.canary import canaries_in, new_canary, question_about, text_about
from tests.isolation.routes import Route
from yarl import URL

from carrel.domain.key import TENANT_SCOPES
from carrel.tenancy.secret import new_secret

_KEYS = ("full", "revoked", "expired")


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Party:
    """A tenant of the server, with what names it and its things."""

    canary: str
    id: str
    keys: dict[str, str]
    ids: dict[str, str]


class Matrix:
    """A victim and an attacker on one server, and requests of all kinds of callers."""

    def __init__(self, session: aiohttp.ClientSession, server: Server) -> None:
        self._session = session
        self._server = server
        self._admin = Client(session, server.url, ADMIN_KEY)
        self.combinations = 0

    async def set_up(self) -> None:
        self.victim = await self._party()
        self.attacker = await self._party()
        self.before = await self._seen_by_victim()

    async def send(self, route: Route, key: str | None, some_id: str) -> Answer:
        """One request, with *some_id* wherever the route takes one."""
        path = re.sub(r"\{\w+\}", quote(some_id, safe="/"), route.path)
        query = "?" + urlencode(route.query(some_id)) if route.query else ""
        headers = dict(route.headers(some_id)) if route.headers else {}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        async with self._session.request(
            route.method,
            URL(self._server.url + path + query, encoded=True),
            json=route.body(some_id) if route.body else None,
            headers=headers,
        ) as response:
            return Answer(response.status, await response.text(), str(response.headers))

    async def attack(self, route: Route) -> None:
        """Every caller who must not, with every id of the victim."""
        for caller, (key, expected) in self._callers(route).items():
            for kind, some_id in self.victim.ids.items():
                answer = await self.send(route, key, some_id)
                self.combinations += 1
                where = f"{route.name} as {caller} with the victim's {kind}: {answer}"
                assert answer.status == _expected(route, expected, kind), where
                self._check_silence(answer, some_id, where)
                if answer.status == 404 and route.plane == "tenant":
                    await self._check_like_absent(route, key, answer, some_id)

    def pairs(self, routes: Sequence[Route]) -> int:
        """How many callers there are on all routes together."""
        return sum(len(self._callers(route)) for route in routes)

    async def check_untouched(self) -> None:
        """What the victim sees is what it saw before all attacks."""
        assert await self._seen_by_victim() == self.before

    def _callers(self, route: Route) -> Mapping[str, tuple[str | None, int]]:
        """Keys, each with the status that it must be answered with."""
        victim, attacker = self.victim.keys, self.attacker.keys
        if route.plane == "public":
            return {"nobody": (None, 200), "another tenant": (attacker["full"], 200)}
        callers: dict[str, tuple[str | None, int]] = {
            "nobody": (None, 401),
            "a wrong key": (new_secret(), 401),
            "no key at all": ("crl_", 401),
            "the victim's revoked key": (victim["revoked"], 401),
            "the victim's expired key": (victim["expired"], 401),
            "another tenant": (attacker["full"], route.foreign),
            "another tenant's revoked key": (attacker["revoked"], 401),
            "a suspended tenant": (attacker["suspended"], 403),
        }
        if route.plane == "admin":
            callers["the victim itself"] = (victim["full"], 403)
        else:
            callers["the victim's key without the scope"] = (victim[f"no {route.scope}"], 403)
            callers["another tenant's without the scope"] = (attacker[f"no {route.scope}"], 403)
            callers["an administrator"] = (ADMIN_KEY, 403)
        return callers

    def _check_silence(self, answer: Answer, some_id: str, where: str) -> None:
        said = (answer.text + answer.headers).replace(some_id, "…")
        assert self.victim.canary not in said, where
        assert canaries_in(said) <= {self.attacker.canary}, where
        for kind, each in self.victim.ids.items():
            assert kind == "model" or each not in said, where

    async def _check_like_absent(
        self, route: Route, key: str | None, answer: Answer, some_id: str
    ) -> None:
        absent = await self.send(route, key, "absent")
        assert absent.status == 404
        assert _essence(absent, "absent") == _essence(answer, some_id)

    async def _seen_by_victim(self) -> Any:
        victim = Client(self._session, self._server.url, self.victim.keys["full"])
        tenant, keys = f"/admin/tenants/{self.victim.id}", f"/admin/tenants/{self.victim.id}/keys"
        seen = [await self._admin.get(tenant), _without_uses(await self._admin.get(keys))]
        seen.append(await victim.get("/v1/documents"))
        seen.append(await victim.post("/v1/search", {"query": question_about("refunds")}))
        seen.append(await victim.get("/v1/usage"))
        assert all(status == 200 for status, _ in seen), seen
        assert self.victim.canary in str(seen)
        return seen

    async def _party(self) -> Party:
        canary = new_canary()
        status, tenant = await self._admin.post("/admin/tenants", {"name": f"Tenant {canary}"})
        assert status == 201
        made = {name: await self._key(tenant["id"], f"{name} {canary}") for name in _KEYS}
        for scope in TENANT_SCOPES:
            others = [each for each in TENANT_SCOPES if each != scope]
            made[f"no {scope}"] = await self._key(tenant["id"], scope, scopes=others)
        status, _ = await self._admin.call("DELETE", f"/admin/keys/{made['revoked']['id']}")
        assert status == 204
        self._expire(made["expired"]["id"])
        client = Client(self._session, self._server.url, made["full"]["secret"])
        document, original, chunk = await self._upload(client, canary)
        ids = {
            "document": document,
            "document named by it": f"named-{canary[6:]}",
            "tenant": tenant["id"],
            "key": made["full"]["id"],
            "revoked key": made["revoked"]["id"],
            "key's prefix": made["full"]["prefix"],
            "chunk": chunk,
            "original": original,
            "path": f"{tenant['id']}/{original}",
            "pair": f"{tenant['id']}:{document}",
            "model": "extractive",
        }
        keys = {name: each["secret"] for name, each in made.items()}
        keys["suspended"] = await self._suspended(canary)
        return Party(canary, tenant["id"], keys, ids)

    async def _upload(self, client: Client, canary: str) -> tuple[str, str, str]:
        """The ids of a document without a name of its own, of its file, and of its chunk."""
        fields = {"title": f"Title {canary}", "metadata": {"note": canary, "lang": "en"}}
        text = {"text": text_about("refunds", canary), **fields}
        status, document = await client.post("/v1/documents?wait=30", text)
        assert (status, document["status"]) == (202, "ready")
        named = {**text, "document_id": f"named-{canary[6:]}"}
        status, _ = await client.post("/v1/documents?wait=30", named)
        assert status == 202
        status, found = await client.post("/v1/search", {"query": question_about("refunds")})
        assert status == 200
        chunk = next(h["chunk_id"] for h in found["hits"] if h["document_id"] == document["id"])
        with sqlite3.connect(self._server.data_dir / "carrel.db") as database:
            query = "SELECT original FROM versions WHERE document_id = ?"
            (original,) = database.execute(query, [document["id"]]).fetchone()
        return document["id"], original, chunk

    async def _key(self, tenant_id: str, name: str, **more: Any) -> dict[str, Any]:
        status, made = await self._admin.post(
            f"/admin/tenants/{tenant_id}/keys", {"name": name, **more}
        )
        assert status == 201
        return made

    async def _suspended(self, canary: str) -> str:
        _, tenant = await self._admin.post("/admin/tenants", {"name": f"Suspended {canary}"})
        made = await self._key(tenant["id"], "suspended")
        path = f"/admin/tenants/{tenant['id']}"
        status, _ = await self._admin.call("PATCH", path, json={"status": "suspended"})
        assert status == 200
        return made["secret"]

    def _expire(self, key_id: str) -> None:
        past = (datetime.now(UTC) - timedelta(seconds=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
        with sqlite3.connect(self._server.data_dir / "carrel.db", timeout=10) as database:
            changed = database.execute(
                "UPDATE keys SET expires_at = ? WHERE id = ?", [past, key_id]
            )
            assert changed.rowcount == 1


def _without_uses(listed: tuple[int, Any]) -> tuple[int, Any]:
    """A list of keys without when they were used: by now they were."""
    status, body = listed
    return status, [{**key, "last_used_at": None} for key in body["data"]]


def _expected(route: Route, status: int, kind: str) -> int:
    # A model's name belongs to the server: it is the one id that every tenant may know.
    if kind == "model" and "{model}" in route.path and status == 404:
        return 200
    # Ids of documents may hold a slash; elsewhere it makes a path that is no route.
    one_segment = "{tenant_id}" in route.path or "{key_id}" in route.path
    return 404 if kind == "path" and one_segment else status


def _essence(answer: Answer, some_id: str) -> Any:
    error = answer.json["error"]
    del error["request_id"]
    return json.dumps(error).replace(some_id, "…")
