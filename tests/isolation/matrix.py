"""A victim, an attacker, and the requests of everyone who must not have what is the victim's.

The victim's name, key names, titles, texts and metadata hold its canary.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from sqlalchemy import insert, select, update
from tests.acceptance.server import ADMIN_KEY, Client, Server
from tests.isolation.canary import canaries_in, new_canary, question_about, text_about
from tests.isolation.routes import Route
from yarl import URL

from carrel.database.engine import Database
from carrel.database.tables import keys, moves, versions
from carrel.domain.ids import new_id
from carrel.domain.key import TENANT_SCOPES
from carrel.embedding.embedder import DEFAULT_IDENTITY
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

    def __init__(self, session: aiohttp.ClientSession, server: Server, database: Database) -> None:
        self._session = session
        self._server = server
        self._database = database
        self._admin = Client(session, server.url, ADMIN_KEY)
        self.combinations = 0

    async def set_up(self) -> None:
        self.victim = await self._party()
        self.attacker = await self._party()
        self.before = await self._seen_by_victim()

    async def send(self, route: Route, key: str | None, *ids: str) -> Answer:
        """One request with *ids* in the path, and the last of them wherever else one is taken."""
        path, some_id = route.path, ids[-1]
        for name, value in zip(route.parameters, ids, strict=True) if route.parameters else ():
            path = path.replace(f"{{{name}}}", quote(value, safe="/"))
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

    async def send_own(self, route: Route, key: str | None) -> Answer:
        """One request about what is the victim's."""
        ids = self.victim.ids
        leading = [ids["tenant"]] * (len(route.parameters) - 1)
        return await self.send(route, key, *leading, ids[route.own])

    async def attack(self, route: Route) -> None:
        """Every caller who must not, with every id of the victim in every place."""
        places = max(1, len(route.parameters))
        for caller, (key, expected) in self._callers(route).items():
            for kinds in product(self.victim.ids, repeat=places):
                ids = [self.victim.ids[kind] for kind in kinds]
                answer = await self.send(route, key, *ids)
                self.combinations += 1
                where = f"{route.name} as {caller} with the victim's {kinds}: {answer}"
                assert answer.status == _expected(route, expected, kinds), where
                self._check_silence(answer, ids, where)
                if answer.status == 404 and route.plane == "tenant":
                    await self._check_like_absent(route, key, answer, ids[-1])

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

    def _check_silence(self, answer: Answer, sent: Sequence[str], where: str) -> None:
        said = answer.text + answer.headers
        for some_id in sent:
            said = said.replace(some_id, "…")
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
        erasures = f"/admin/erasures?tenant_id={self.victim.id}"
        places = (tenant, f"{tenant}/moves", erasures)
        seen = [await self._admin.get(place) for place in places]
        seen.append(_without_uses(await self._admin.get(keys)))
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
        await self._expire(made["expired"]["id"])
        client = Client(self._session, self._server.url, made["full"]["secret"])
        document, original, chunk = await self._upload(client, canary)
        ids = {
            "document": document,
            "document named by it": f"named-{canary[6:]}",
            "tenant": tenant["id"],
            "move": await self._move(tenant["id"], canary),
            "erasure": await self._erasure(tenant["id"], client, canary),
            "key": made["full"]["id"],
            "revoked key": made["revoked"]["id"],
            "key's prefix": made["full"]["prefix"],
            "chunk": chunk,
            "original": original,
            "path": f"{tenant['id']}/{original}",
            "pair": f"{tenant['id']}:{document}",
            "answer": await self._answer(client),
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
        query = select(versions.c.original).where(versions.c.document_id == document["id"])
        [row] = await self._database.fetch(query)
        return document["id"], row.original, chunk

    async def _answer(self, client: Client) -> str:
        """The id of an answer whose stream can be resumed, once it is in the ledger."""
        sent = {"authorization": f"Bearer {client.key}"}
        body = {"question": question_about("refunds"), "stream": True}
        url = f"{client.url}/v1/query"
        async with self._session.post(url, json=body, headers=sent) as stream:
            await stream.read()
        async with asyncio.timeout(30):
            while not (await client.get("/v1/usage"))[1]["data"]:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.05)
        return stream.headers["x-answer-id"]

    async def _move(self, tenant_id: str, canary: str) -> str:
        """A move that is over; a real one takes as long as the longest search."""
        move_id, now = new_id("mov"), datetime.now(UTC)
        async with self._database.write() as connection:
            await connection.execute(
                insert(moves).values(
                    id=move_id,
                    tenant_id=tenant_id,
                    isolation="collection",
                    embedder=DEFAULT_IDENTITY,
                    status="failed",
                    progress=0.5,
                    report={},
                    error=f"the document {canary} is not whole",
                    created_at=now,
                    updated_at=now,
                )
            )
        return move_id

    async def _erasure(self, tenant_id: str, client: Client, canary: str) -> str:
        """The report on a document that was deleted."""
        name = f"deleted-{canary}"
        text = {"text": text_about("refunds", canary), "document_id": name}
        status, _ = await client.post("/v1/documents?wait=30", text)
        assert status == 202
        status, _ = await client.call("DELETE", f"/v1/documents/{name}")
        assert status == 204
        async with asyncio.timeout(30):
            while True:
                _, found = await self._admin.get(f"/admin/erasures?tenant_id={tenant_id}")
                if found["data"] and found["data"][0]["status"] == "done":
                    return found["data"][0]["id"]
                await asyncio.sleep(0.05)

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

    async def _expire(self, key_id: str) -> None:
        past = datetime.now(UTC) - timedelta(seconds=1)
        async with self._database.write() as connection:
            changed = await connection.execute(
                update(keys).where(keys.c.id == key_id).values(expires_at=past)
            )
            assert changed.rowcount == 1


def _without_uses(listed: tuple[int, Any]) -> tuple[int, Any]:
    """A list of keys without when they were used: by now they were."""
    status, body = listed
    return status, [{**key, "last_used_at": None} for key in body["data"]]


def _expected(route: Route, status: int, kinds: Sequence[str]) -> int:
    # A model's name belongs to the server: it is the one id that every tenant may know.
    if "model" in kinds and "{model}" in route.path and status == 404:
        return 200
    # Ids of documents may hold a slash; elsewhere it makes a path that is no route.
    one_segment = route.plane == "admin" and bool(route.parameters)
    return 404 if "path" in kinds and one_segment else status


def _essence(answer: Answer, some_id: str) -> Any:
    error = answer.json["error"]
    del error["request_id"]
    return json.dumps(error).replace(some_id, "…")
