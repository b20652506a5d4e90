"""Secrets and content are planted, driven through every kind of failure, and then searched for.

They may be in an answer to their owner, and nowhere else: not in a log line at any level, a metric,
an error that someone else sees, nor in what the server writes beside documents and vectors.
"""

import asyncio
import contextlib
import io
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from tests.acceptance.server import Client, Server, free_port, new_tenant, running

MARK = "Kn4ry"
STALLED = 0.3
MODES = ("answer", "500", "400", "401", "429", "stall", "error", "garbage", "cut")
API, ENGINE, WORKER = "carrel.serving.api", "carrel.vectors.edge.engine", "carrel.serving.worker"
CLAIMS = "eyJzdWIiOiJhY21lIiwiYXVkIjoiY2FycmVsIn0"


def canary(name: str) -> str:
    return f"{MARK}{name}{secrets.token_hex(8)}"


@dataclass
class Canaries:
    """What must not be seen: *secret* by nobody, *content* by nobody but its owner."""

    secret: dict[str, str] = field(default_factory=dict)
    content: dict[str, str] = field(default_factory=dict)

    def plant(self, name: str) -> str:
        self.secret[name] = canary(name)
        return self.secret[name]

    def write(self, name: str) -> str:
        self.content[name] = canary(name)
        return self.content[name]

    def found_in(self, text: str, *, only_secrets: bool = False) -> list[str]:
        looked_for = self.secret if only_secrets else {**self.secret, **self.content}
        return [name for name, value in looked_for.items() if value in text]


class TellTale:
    """An upstream that repeats, in its errors, all it was sent: prompt and credentials."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.mode = "answer"
        self.answer = ""

    async def __aenter__(self) -> "TellTale":
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(app, shutdown_timeout=0, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        # Credentials first, for excerpts are short, and nothing that looks like markup.
        sent = f"{request.headers['authorization']} {await request.text()}".replace("<", "")
        if self.mode.isdigit():
            error = {"error": {"message": sent, "type": "server_error", "code": None}}
            return web.json_response(error, status=int(self.mode))
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(self._event(self.answer))
        if self.mode == "stall":
            await asyncio.sleep(STALLED * 10)
        elif self.mode == "error":
            await response.write(b'data: {"error": {"message": "%s"}}\n\n' % self._quoted(sent))
        elif self.mode == "garbage":
            await response.write(b"data: {%s\n\n" % self._quoted(sent))
        elif self.mode == "answer":
            end = '{"choices": [{"delta": {}, "finish_reason": "stop"}]}'
            await response.write(f"data: {end}\n\ndata: [DONE]\n\n".encode())
        return response

    def _event(self, text: str) -> bytes:
        return f'data: {{"choices": [{{"delta": {{"content": "{text} [1]."}}}}]}}\n\n'.encode()

    def _quoted(self, text: str) -> bytes:
        return text.replace("\\", "").replace('"', "'").replace("\n", " ").encode()


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
async def upstream() -> AsyncIterator[TellTale]:
    async with TellTale(free_port()) as telltale:
        yield telltale


@pytest.fixture
def database_url(postgres_url: str, canaries: Canaries) -> str:
    plain = postgres_url.replace("postgresql+asyncpg", "postgresql")
    canaries.secret["database password"] = plain.split(":")[2].split("@")[0]
    return plain


@pytest.fixture
def server(
    tmp_path: Path,
    canaries: Canaries,
    database_url: str,
    upstream: TellTale,
) -> Iterator[Server]:
    environment = {
        "CARREL_ADMIN_KEY": canaries.plant("AdminKey-Zq7"),
        "CARREL_DATABASE_URL": database_url,
        "CARREL_QDRANT_API_KEY": canaries.plant("QdrantKey"),
        "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{upstream.port}/v1",
        "CARREL_LLM__API_KEY": canaries.plant("LlmKey"),
        "CARREL_LLM__MODEL": "gpt-4o-mini",
        "CARREL_LLM__TOKEN_TIMEOUT_SECONDS": str(STALLED),
        "CARREL_INGESTION__MAX_UPLOAD_BYTES": "100000",
        "CARREL_LOG__LEVEL": "debug",
        "CARREL_LOG__FORMAT": "json",
    }
    with running(tmp_path, environment) as started:
        yield started


class Story:
    """Acme's day: everything that can succeed or fail, with canaries in all of it."""

    def __init__(self, acme: Client, globex: Client, canaries: Canaries) -> None:
        self.acme = acme
        self.globex = globex
        self._canaries = canaries
        # The question's word stands in the document, too: otherwise nothing would be relevant.
        word = canaries.write("Question")
        self.question = f"How long do refunds of {word} take?"
        self.text = f"Refunds of {word} take 30 days, says {canaries.write('Document')}."
        # What callers were shown; an error may quote its own caller's content, never a secret.
        self.errors: list[str] = []
        self.seen_by_globex: list[str] = []

    async def unfold(self, upstream: TellTale, server: Server, database_url: str) -> None:
        await self.upload()
        await self.upload_what_cannot_be_read()
        await self.ask(upstream)
        await self.ask_badly()
        await self.use_wrong_keys()
        await self.break_the_database(database_url)
        await self.kill_processes(server)

    async def upload(self) -> None:
        fields = {
            "document_id": self._canaries.write("DocumentId"),
            "title": self._canaries.write("Title"),
            "metadata": f'{{"by": "{self._canaries.write("Metadata")}"}}',
        }
        name = self._canaries.write("FileName")
        status, made = await self.acme.upload(f"{name}.md", self.text.encode(), **fields)
        assert (status, made["status"]) == (202, "ready"), made
        key = self._canaries.plant("IdempotencyKey")
        for text in ("one", "another"):  # the second is refused
            body = {"text": text, "document_id": self._canaries.write(f"Id{text}")}
            await self.note(self.acme.post("/v1/documents", body, headers={"idempotency-key": key}))

    async def upload_what_cannot_be_read(self) -> None:
        word = self._canaries.write("Broken").encode()
        uploads: list[Coroutine[Any, Any, None]] = []
        for suffix, content in {
            "pdf": b"%PDF-1.7\n" + word + b"\nendobj trailer",
            "docx": b"PK\x03\x04" + word * 40,
            "xlsx": b"PK\x05\x06" + word,
            "exe": b"MZ" + word,
            "txt": b"\xff\xfe\x00" + word,
            "eml": b"From: x\nContent-Type: multipart/mixed\n\n" + word,
            "html": b"",
        }.items():
            name = f"{self._canaries.write(f'Broken{suffix}')}.{suffix}"
            uploads.append(self.note(self.acme.upload(name, content)))
        await asyncio.gather(*uploads)
        await self.note(self.acme.upload("large.txt", word * 20_000))

    async def ask(self, upstream: TellTale) -> None:
        upstream.answer = self._canaries.write("Answer")
        body = {"question": self.question}
        chat = {"model": "x", "messages": [{"role": "user", "content": self.question}]}
        for upstream.mode in MODES:
            for stream in (False, True):
                await self.note(self.acme.post("/v1/query", {**body, "stream": stream}))
                await self.note(self.acme.post("/v1/chat/completions", {**chat, "stream": stream}))
        upstream.mode = "answer"
        status, answer = await self.acme.post("/v1/query", body)
        assert (status, upstream.answer in answer["answer"]) == (200, True)
        await self.note(self.acme.post("/v1/search", {"query": self.question}))
        upstream.mode = "stall"
        await self.leave({**body, "stream": True})
        upstream.mode = "answer"

    async def leave(self, body: dict[str, Any]) -> None:
        headers = {"authorization": f"Bearer {self.acme.key}"}
        async with self.acme.session.post(
            f"{self.acme.url}/v1/query", json=body, headers=headers
        ) as stream:
            await stream.content.readline()

    async def ask_badly(self) -> None:
        word = self._canaries.write("BadInput")
        json = {"content-type": "application/json"}
        for data in (
            f'{{"question": "{word}"',
            f'{{"question": "q", "{word}": 1}}',
            f'{{"question": "q", "filter": {{"{word}!": 1}}}}',
            f'{{"question": "q", "model": "{word}"}}',
            f'{{"question": "q", "top_k": "{word}"}}',
            f"[{word!r}]",
            f'{{"question": "{word * 2_000}"}}',
        ):
            await self.note(self.acme.call("POST", "/v1/query", data=data, headers=json))
        for path in (
            f"/v1/documents/{word}",
            f"/v1/documents?after={word}",
            f"/v1/usage?start={word}",
            f"/{word}?key={word}",
        ):
            await self.note(self.acme.get(path))
        large = io.BytesIO(word.encode() * 100_000)
        await self.note(self.acme.call("POST", "/v1/documents", data=large))
        form = {"content-type": f"multipart/form-data; boundary={word}"}
        await self.note(self.acme.call("POST", "/v1/documents", data=word, headers=form))
        await self.note(self.acme.call(word.upper(), "/v1/query"))

    async def use_wrong_keys(self) -> None:
        jwt = f"eyJhbGciOiJIUzI1NiJ9.{CLAIMS}.{self._canaries.plant('Signature')}"
        for wrong in (
            jwt,
            f"crl_{self._canaries.plant('WrongKey')}",
            self._canaries.plant("AlmostAdmin"),
        ):
            stranger = self.acme.with_key(wrong)
            await self.note(stranger.get("/v1/documents"))
            await self.note(stranger.get("/admin/tenants"))
        await self.note(self.acme.get("/admin/tenants"))
        basic = {"authorization": f"Basic {self._canaries.plant('BasicPassword')}"}
        await self.note(self.acme.with_key(None).get("/v1/documents", headers=basic))

    async def break_the_database(self, url: str) -> None:
        """Statements fail with all that they were given: errors that nobody foresaw."""
        connection = await asyncpg.connect(url)
        try:
            for table in ("versions", "chunks", "usage_events", "keys"):
                await connection.execute(f"ALTER TABLE {table} RENAME TO away")
                name = self._canaries.write(f"Without{table}")
                fields = {"document_id": self._canaries.write(f"IdWithout{table}")}
                await self.note(
                    self.acme.upload(f"{name}.md", self.text.encode(), **fields, wait=0)
                )
                await self.note(self.acme.post("/v1/query", {"question": self.question}))
                await self.note(self.acme.with_key("crl_" + "0" * 49).get("/v1/documents"))
                await asyncio.sleep(0.6)  # the ledger's turn comes, and that of the worker
                await connection.execute(f"ALTER TABLE away RENAME TO {table}")
            shown = [tuple(row) for row in await connection.fetch("SELECT * FROM keys")]
            assert not self._canaries.found_in(str(shown), only_secrets=True)
        finally:
            await connection.close()

    async def kill_processes(self, server: Server) -> None:
        for module in (ENGINE, WORKER, API):
            server.kill_child(module)
            with contextlib.suppress(aiohttp.ClientError):
                await self.note(self.acme.post("/v1/query", {"question": self.question}))
                await self.note(self.acme.upload("after.md", self.text.encode(), wait=1))
            await asyncio.to_thread(server.wait_ready)

    async def note(self, call: Any) -> None:
        """Keep what *call* was answered, and what the other tenant is answered meanwhile."""
        status, body = await call
        if status >= 400 or "error" in str(body):
            self.errors.append(str(body))
        with contextlib.suppress(aiohttp.ClientError):
            _, other = await self.globex.post("/v1/query", {"question": "refunds?"})
            self.seen_by_globex.append(str(other))


def written(server: Server) -> dict[str, str]:
    """All that the server wrote but for documents and vectors, by where."""
    texts = {"the log": (server.data_dir.parent / "server.log").read_text(errors="replace")}
    for path in server.data_dir.rglob("*"):
        apart = {"originals", "vectors"} & set(path.parts)
        if path.is_file() and not apart:
            texts[str(path.relative_to(server.data_dir))] = path.read_text(errors="replace")
    return texts


@pytest.mark.timeout(300)
async def test_no_canary_is_seen_where_it_should_not_be(
    server: Server, canaries: Canaries, upstream: TellTale, database_url: str
):
    async with aiohttp.ClientSession() as session:
        admin = Client(session, server.url, canaries.secret["AdminKey-Zq7"])
        acme, globex = await new_tenant(admin, "acme"), await new_tenant(admin, "globex")
        for name, client in (("acme's key", acme), ("globex's key", globex)):
            assert client.key
            canaries.secret[name] = client.key
        story = Story(acme, globex, canaries)
        await story.unfold(upstream, server, database_url)
        _, metrics = await admin.with_key(None).get("/metrics")
        journals = written(server)
        await asyncio.to_thread(server.stop)
    assert len(story.errors) > 40
    assert "internal error" in str(story.errors)
    places = {
        **journals,
        **written(server),
        "the metrics": metrics,
        "what globex saw": "\n".join(story.seen_by_globex),
    }
    found = {place: canaries.found_in(text) for place, text in places.items()}
    assert {place: names for place, names in found.items() if names} == {}
    assert not canaries.found_in("\n".join(story.errors), only_secrets=True)
    log = places["the log"]
    assert log.count("request") > 100  # the search had something to search
    assert "unexpected error" in log


@pytest.mark.parametrize(
    "setting",
    [
        {"CARREL_ADMIN_KEY": "changeme-{}-and-more-of-it-to-be-long"},
        {"CARREL_ADMIN_KEY": "{}"},
        {"CARREL_DATABASE_URL": "postgresql://carrel:{}@127.0.0.1:1/none"},
        {"CARREL_DATABASE_URL": "nonsense://carrel:{}@127.0.0.1:1/none"},
        {"CARREL_DATABASE_URL": "{}"},
        {"CARREL_PRICES": '{{"m": "{}"'},
        {"CARREL_LLM__API_KEY": "{}", "CARREL_LLM__BASE_URL": "http://127.0.0.1:1/v1"},
        {"CARREL_LLM__TOKEN_TIMEOUT_SECONDS": "{}"},
    ],
)
def test_a_setting_that_stops_the_start_is_not_repeated(tmp_path: Path, setting: dict[str, str]):
    word = canary("Setting")
    environment = {name: value.format(word) for name, value in setting.items()}
    with (
        (tmp_path / "out").open("wb") as out,
        contextlib.suppress(subprocess.TimeoutExpired),
    ):
        subprocess.run(  # noqa: PLW1510 - it may end in any way
            [sys.executable, "-m", "carrel", "serve", "--port", str(free_port())],
            env={"PATH": "/usr/bin:/bin", "CARREL_DATA_DIR": str(tmp_path / "d"), **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=tmp_path,
            timeout=8,
        )
    said = (tmp_path / "out").read_text()
    assert said
    assert word not in said
