"""A stand-in for the server, of the contract's shape, in a thread of the test's own."""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

ADMIN_KEY = "admin-key-of-the-tests-0123456789abcdef"


@dataclass
class FakeCarrel:
    """What the server holds, what it was asked, and how it is to misbehave."""

    url: str = ""
    admin_key: str = ADMIN_KEY
    tenants: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    documents: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    contents: dict[tuple[str, str], bytes] = field(default_factory=dict)
    # The rows of every usage report.
    usage: list[dict[str, Any]] = field(default_factory=list)
    # Every request so far: method, path with query, decoded body.
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    # Responses that are given before any other.
    refusals: deque[web.Response] = field(default_factory=deque)
    # Asked for each request; what it gives is the response.
    refuse: Callable[[], web.Response | None] = lambda: None
    # By tenant's name and question; absent: no answer in the documents.
    answers: dict[tuple[str, str], str] = field(default_factory=dict)
    # Documents whose content holds this word fail with it as the reason.
    poison: str = "poison"
    # Frames that a stream sends after its deltas, in place of `done`.
    stream_end: bytes | None = None
    # After how many of its events each stream is cut; the ids after which they were resumed.
    resumes: bool = False
    cuts: list[int] = field(default_factory=list)
    last_event_ids: list[str] = field(default_factory=list)
    streamed: dict[str, Any] = field(default_factory=dict)
    leaks: bool = False
    page_size: int = 2
    uploading: int = 0
    most_uploading: int = 0
    polls_before_ready: int = 1
    erased: list[str] = field(default_factory=list)
    erasure_status: str = "done"
    embedder: str = "static:m:3"
    move: dict[str, Any] = field(default_factory=dict)
    # What a move is when it is asked about again.
    move_ends: dict[str, Any] = field(default_factory=lambda: {"status": "done"})
    # What is said of each tenant's chunks, one after the other; the last one for ever.
    chunking: deque[dict[str, int]] = field(default_factory=lambda: deque([{"left": 0}]))
    # Set once three documents have been asked for.
    third_poll: threading.Event = field(default_factory=threading.Event)

    def tenant_of(self, name: str = "acme") -> str:
        """A tenant with a key, made without HTTP; returns the secret."""
        tenant = self.add_tenant(name)
        return self.add_key(tenant["id"], {})["secret"]

    def add_tenant(self, name: str) -> dict[str, Any]:
        tenant = {
            "id": f"ten_{len(self.tenants) + 1}",
            "name": name,
            "isolation": "shared",
            "embedder": self.embedder,
            "status": "active",
            "limits": {"requests_per_minute": 60, "tokens_per_minute": None},
            "budget": None,
        }
        self.tenants[tenant["id"]] = tenant
        self.documents[tenant["id"]] = {}
        return tenant

    def add_key(self, tenant_id: str, body: dict[str, Any]) -> dict[str, Any]:
        number = len(self.keys) + 1
        key = {
            "id": f"key_{number}",
            "tenant_id": tenant_id,
            "name": body.get("name", ""),
            "prefix": f"crl_{number}",
            "scopes": body.get("scopes", ["query", "search"]),
            "groups": [],
            "expires_at": body.get("expires_at"),
            "last_used_at": None,
            "created_at": "2026-11-01T00:00:00Z",
            "secret": f"crl_{number}_secret",
            "limits": body.get("limits"),
            "budget": body.get("budget"),
        }
        self.keys[key["id"]] = key
        return key


def refusal(status: int, code: str, message: str = "no", **headers: str) -> web.Response:
    return web.json_response(
        {
            "error": {
                "message": message,
                "type": "error",
                "code": code,
                "param": None,
                "request_id": "req_1",
            }
        },
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


@contextmanager
def running(fake: FakeCarrel, port: int = 0) -> Iterator[FakeCarrel]:
    """The fake, listening at `fake.url` while entered."""
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        runner = web.AppRunner(_application(fake), shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(10)
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def _application(fake: FakeCarrel) -> web.Application:
    @web.middleware
    async def record(request: web.Request, handler: Callable[..., Any]) -> web.StreamResponse:
        if request.path == "/readyz":
            return web.Response(text="ready")
        body = None
        if request.content_type == "application/json" and request.can_read_body:
            body = await request.json()
        elif request.content_type == "multipart/form-data":
            fake.uploading += 1
            fake.most_uploading = max(fake.most_uploading, fake.uploading)
            try:
                body = await _form(request)
                await asyncio.sleep(0)
            finally:
                fake.uploading -= 1
        fake.requests.append((request.method, request.path_qs, body))
        if refused := fake.refusals.popleft() if fake.refusals else fake.refuse():
            return refused
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if request.path.startswith("/admin"):
            if given != fake.admin_key:
                return refusal(401, "invalid_api_key", "the key is not valid")
            return await handler(request, body)
        key = next((each for each in fake.keys.values() if each["secret"] == given), None)
        if key is None:
            return refusal(401, "invalid_api_key", "the key is not valid")
        return await handler(request, body, key["tenant_id"])

    application = web.Application(middlewares=[record])
    routes = _Routes(fake)
    application.add_routes(
        [
            web.post("/admin/tenants", routes.create_tenant),
            web.get("/admin/tenants", routes.list_tenants),
            web.get("/admin/tenants/{id}", routes.show_tenant),
            web.patch("/admin/tenants/{id}", routes.change_tenant),
            web.delete("/admin/tenants/{id}", routes.delete_tenant),
            web.get("/admin/erasures", routes.list_erasures),
            web.post("/admin/tenants/{id}/moves", routes.start_move),
            web.get("/admin/tenants/{id}/moves", routes.list_moves),
            web.get("/admin/tenants/{id}/moves/{move}", routes.show_move),
            web.get("/admin/embedder", routes.embedder),
            web.get("/admin/tenants/{id}/chunking", routes.chunking),
            web.post("/admin/tenants/{id}/chunking", routes.chunking),
            web.post("/admin/tenants/{id}/keys", routes.create_key),
            web.get("/admin/tenants/{id}/keys", routes.list_keys),
            web.patch("/admin/keys/{id}", routes.change_key),
            web.post("/admin/keys/{id}/rotate", routes.rotate),
            web.get("/admin/tenants/{id}/usage", routes.usage),
            web.get("/admin/usage", routes.usage),
            web.delete("/admin/keys/{id}", routes.revoke),
            web.get("/admin/audit", routes.audit),
            web.post("/v1/documents", routes.upload),
            web.get("/v1/documents/{id:.+}", routes.document),
            web.delete("/v1/documents/{id:.+}", routes.delete_document),
            web.post("/v1/query", routes.query),
            web.get("/v1/query/ans_1/events", routes.resume),
            web.post("/v1/search", routes.search),
        ]
    )
    return application


async def _form(request: web.Request) -> dict[str, Any]:
    body: dict[str, Any] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.name == "file":
            body.update(filename=part.filename, content=bytes(await part.read()))
        else:
            body[str(part.name)] = await part.text()
    return body


class _Routes:
    def __init__(self, fake: FakeCarrel) -> None:
        self._fake = fake

    async def create_tenant(self, request: web.Request, body: Any) -> web.Response:
        return web.json_response(self._fake.add_tenant(body["name"]), status=201)

    async def list_tenants(self, request: web.Request, body: Any) -> web.Response:
        every = list(self._fake.tenants.values())
        after = request.query.get("after")
        start = next((i + 1 for i, each in enumerate(every) if each["id"] == after), 0)
        page = every[start : start + self._fake.page_size]
        more = start + self._fake.page_size < len(every)
        last = page[-1]["id"] if page else None
        return web.json_response({"data": page, "last_id": last, "has_more": more})

    async def show_tenant(self, request: web.Request, body: Any) -> web.Response:
        tenant = self._fake.tenants.get(request.match_info["id"])
        return web.json_response(tenant) if tenant else refusal(404, "not_found", "no such tenant")

    async def change_tenant(self, request: web.Request, body: Any) -> web.Response:
        tenant = self._fake.tenants[request.match_info["id"]]
        return web.json_response({**tenant, **body})

    async def delete_tenant(self, request: web.Request, body: Any) -> web.Response:
        del self._fake.tenants[request.match_info["id"]]
        self._fake.erased.append(request.match_info["id"])
        return web.Response(status=204)

    async def list_erasures(self, request: web.Request, body: Any) -> web.Response:
        of = request.query.get("tenant_id")
        erasures = [
            {
                "id": f"era_{name}",
                "tenant_id": name,
                "document_id": None,
                "status": self._fake.erasure_status,
                "found": {"vectors": 3, "originals": 1, "rows": 12},
                "left": {"vectors": 0 if self._fake.erasure_status == "done" else 2},
                "created_at": "2026-11-01T00:00:00Z",
                "updated_at": "2026-11-01T00:00:01Z",
            }
            for name in reversed(self._fake.erased)
            if of in (None, name)
        ]
        return web.json_response({"data": erasures, "last_id": None, "has_more": False})

    async def start_move(self, request: web.Request, body: Any) -> web.Response:
        self._fake.move = {"id": "mov_1", "status": "queued", "progress": 0.0, **body}
        return web.json_response(self._fake.move, status=202)

    async def list_moves(self, request: web.Request, body: Any) -> web.Response:
        return web.json_response({"data": [self._fake.move] if self._fake.move else []})

    async def chunking(self, request: web.Request, body: Any) -> web.Response:
        said = self._fake.chunking
        counts = said.popleft() if len(said) > 1 else said[0]
        given = {"chunking": "1:100:40", "left": 0, "waiting": 0, "failed": 0, **counts}
        return web.json_response(given, status=202 if request.method == "POST" else 200)

    async def embedder(self, request: web.Request, body: Any) -> web.Response:
        return web.json_response({"identity": self._fake.embedder, "tenants_left": 1})

    async def show_move(self, request: web.Request, body: Any) -> web.Response:
        self._fake.move.update(self._fake.move_ends)
        return web.json_response(self._fake.move)

    async def create_key(self, request: web.Request, body: Any) -> web.Response:
        return web.json_response(self._fake.add_key(request.match_info["id"], body), status=201)

    async def list_keys(self, request: web.Request, body: Any) -> web.Response:
        keys = [
            {name: value for name, value in key.items() if name != "secret"}
            for key in self._fake.keys.values()
            if key["tenant_id"] == request.match_info["id"]
        ]
        return web.json_response({"data": keys})

    async def change_key(self, request: web.Request, body: Any) -> web.Response:
        return web.json_response({**self._fake.keys[request.match_info["id"]], **body})

    async def rotate(self, request: web.Request, body: Any) -> web.Response:
        old = self._fake.keys[request.match_info["id"]]
        return web.json_response(self._fake.add_key(old["tenant_id"], old), status=201)

    async def audit(self, request: web.Request, body: Any) -> web.Response:
        entry = {
            "id": "aud_1",
            "at": "2026-11-01T00:00:00.5Z",
            "actor": "key_environment",
            "action": "key.rotate",
            "target": "key_1",
            "tenant_id": "ten_1",
            "details": {"replaced_by": "key_2"},
            "request_id": "req_1",
        }
        return web.json_response({"data": [entry], "has_more": False})

    async def revoke(self, request: web.Request, body: Any) -> web.Response:
        if self._fake.keys.pop(request.match_info["id"], None) is None:
            return refusal(404, "not_found", "no such key")
        return web.Response(status=204)

    async def usage(self, request: web.Request, body: Any) -> web.Response:
        only = request.match_info.get("id")
        of = [each for each in self._fake.usage if only in (None, each["tenant_id"])]
        return web.json_response({"data": of})

    async def upload(self, request: web.Request, body: Any, tenant: str) -> web.Response:
        name = body["document_id"]
        known = self._fake.documents[tenant].get(name)
        if known and self._fake.contents[tenant, name] == body["content"]:
            return web.json_response(known, status=202)
        document = {
            "id": name,
            "status": "queued",
            "title": body["filename"],
            "media_type": "text/plain",
            "bytes": len(body["content"]),
            "chunks": 0,
            "version": known["version"] + 1 if known else 1,
            "error": None,
            "progress": 0.0,
            "created_at": "2026-11-01T00:00:00Z",
            "updated_at": "2026-11-01T00:00:00Z",
            "metadata": json.loads(body.get("metadata", "{}")),
            "polls": 0,
        }
        self._fake.documents[tenant][name] = document
        self._fake.contents[tenant, name] = body["content"]
        return web.json_response(document, status=202)

    async def document(self, request: web.Request, body: Any, tenant: str) -> web.Response:
        name = request.match_info["id"]
        for owner, documents in self._fake.documents.items():
            if (document := documents.get(name)) and (owner == tenant or self._fake.leaks):
                document["polls"] += 1
                if sum(each["polls"] > 0 for each in documents.values()) >= 3:
                    self._fake.third_poll.set()
                if document["polls"] >= self._fake.polls_before_ready:
                    self._settle(document, self._fake.contents[owner, name])
                return web.json_response(document)
        return refusal(404, "not_found", "no such document")

    async def delete_document(self, request: web.Request, body: Any, tenant: str) -> web.Response:
        del self._fake.documents[tenant][request.match_info["id"]]
        return web.Response(status=204)

    def _settle(self, document: dict[str, Any], content: bytes) -> None:
        if self._fake.poison.encode() in content:
            document.update(status="failed", error=f"there is {self._fake.poison} in it")
        else:
            document.update(status="ready", chunks=3, progress=1.0)

    async def search(self, request: web.Request, body: Any, tenant: str) -> web.Response:
        return web.json_response({"hits": [_source("a.md")]})

    async def query(self, request: web.Request, body: Any, tenant: str) -> web.StreamResponse:
        name = self._fake.tenants[tenant]["name"]
        answer = _answer(name, self._fake.answers.get((name, body["question"])))
        if not body["stream"]:
            return web.json_response(answer)
        self._fake.streamed = answer
        return await self._stream(request, answer, after=0, end=self._fake.stream_end)

    async def resume(self, request: web.Request, _body: Any, _tenant: str) -> web.StreamResponse:
        if not self._fake.resumes:
            return refusal(404, "not_found")
        last = request.headers.get("last-event-id", "")
        self._fake.last_event_ids.append(last)
        return await self._stream(request, self._fake.streamed, after=int(last) % 500_000, end=None)

    async def _stream(
        self, request: web.Request, answer: dict[str, Any], *, after: int, end: bytes | None
    ) -> web.StreamResponse:
        head = {"content-type": "text/event-stream", "x-answer-id": "ans_1"}
        response = web.StreamResponse(headers=head)
        await response.prepare(request)
        half = len(answer["answer"]) // 2
        frames = [
            _frame(1, "sources", {"id": "ans_1", "sources": answer["sources"]}),
            _frame(2, "delta", {"text": answer["answer"][:half]}),
            _frame(3, "delta", {"text": answer["answer"][half:]}),
            _frame(4, "done", answer) if end is None else end,
        ]
        upto = self._fake.cuts.pop(0) if self._fake.cuts else len(frames)
        for frame in frames[after:upto]:
            await response.write(b": heartbeat\n\n" + frame)
        return response


def _frame(number: int, event: str, data: Any) -> bytes:
    return f"id: {number}\nevent: {event}\ndata: {json.dumps(data)}\n\n".encode()


def _source(document_id: str) -> dict[str, Any]:
    return {
        "chunk_id": "chk_1",
        "document_id": document_id,
        "title": "Refund policy",
        "text": "Refunds take 30 days.",
        "score": 0.83,
        "page": 4,
        "metadata": {},
    }


def _answer(tenant: str, text: str | None) -> dict[str, Any]:
    cited = {
        "index": 1,
        "chunk_id": "chk_1",
        "document_id": f"{tenant}/refunds.md",
        "title": "Refund policy",
        "page": 4,
        "heading": "Returns › Time",
        "start": 0,
        "end": 21,
        "quote": "Refunds take 30 days.",
    }
    found = text is not None
    return {
        "id": "ans_1",
        "answer": f"{text} [1]." if found else "The documents hold no answer to this.",
        "model": "extractive",
        "finish_reason": "stop" if found else "no_evidence",
        "citations": [cited] if found else [],
        "sources": [_source(f"{tenant}/refunds.md")] if found else [],
        "cache": {"status": "miss", "age_seconds": None, "similarity": None},
        "usage": {
            "prompt_tokens": 900,
            "completion_tokens": 40,
            "total_tokens": 940,
            "embedding_tokens": 9,
            "cost_usd": "0.000231",
            "saved_usd": "0",
        },
    }
