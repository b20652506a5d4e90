"""The simulator's HTTP server: routes, faults and counts; for tests and load only."""

import asyncio
import random
import time
import weakref
from dataclasses import asdict, replace
from itertools import count
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web
from bench.simulator import frames, text
from bench.simulator.behaviour import DIRECTIVES, Behaviour, UnknownDirective
from bench.simulator.pace import Pacer
from bench.simulator.stats import Stats

STALL_AFTER_SHARE = 0.3  # where a stall of `stall_rate` strikes, as a share of the answer


class Simulator:
    """A running simulator, as an async context manager.

    `port` 0 takes a free one. `stats` are the live counts, and `last_request`
    is the body of the newest request as the server read it, `last_headers` its headers.
    """

    def __init__(
        self, behaviour: Behaviour | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.stats = Stats()
        self.last_request: dict[str, Any] = {}
        self.last_headers: dict[str, str] = {}
        self._host = host
        self._port = port
        self._faults = random.Random(self.behaviour.seed)
        self._ids = count(1)
        self._transports: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()
        self._pacer: Pacer | None = None
        self._runner: web.AppRunner | None = None
        self._places: asyncio.Semaphore | None = None

    @property
    def base_url(self) -> str:
        """What clients are given: `http://host:port/v1`."""
        return f"http://{self._host}:{self._port}/v1"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.add_routes(
            [
                web.post("/v1/chat/completions", self._completions),
                web.get("/v1/models", self._models),
                web.get("/stats", self._read_stats),
                web.post("/stats/reset", self._reset_stats),
                web.post("/behaviour", self._change_behaviour),
            ]
        )
        self._pacer = Pacer()
        # A client that leaves cancels its handler: that is how it is counted.
        self._runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=0.05, access_log=None
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, backlog=1024)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        assert self._pacer is not None
        await self._runner.cleanup()
        self._pacer.stop()
        for transport in [*self._transports]:
            if isinstance(transport, asyncio.Transport):
                transport.abort()
        # Sockets are closed in the next turns of the loop, which may be the last ones.
        for _ in range(2):
            await asyncio.sleep(0)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        started_at = asyncio.get_running_loop().time()
        body = orjson.loads(await request.read())
        self.last_request = body
        self.last_headers = {name.lower(): value for name, value in request.headers.items()}
        self._count_connection(request)
        contents = [_text_of(message.get("content")) for message in body["messages"]]
        prompt_tokens = sum(text.count_tokens(content) for content in contents)
        self.stats.begin(prompt_tokens)
        try:
            behaviour = self._with_faults(self.behaviour.for_model(body.get("model", "")))
        except UnknownDirective as error:
            self.stats.end("failed")
            return _error(404, str(error), "invalid_request_error", "model_not_found")
        if refusal := _refusal(request, behaviour):
            self.stats.end("failed")
            return refusal
        limit = body.get("max_tokens") or body.get("max_completion_tokens") or behaviour.tokens
        tokens = text.compose(contents, tokens=behaviour.tokens, seed=behaviour.seed)[:limit]
        parts = {
            "answer_id": f"chatcmpl-sim-{next(self._ids)}",
            "model": body.get("model", "sim"),
            "finish_reason": "length" if limit < behaviour.tokens else "stop",
        }
        usage = frames.usage_of(prompt_tokens, len(tokens))
        if not body.get("stream"):
            return await self._whole(behaviour, started_at, tokens, parts, usage)
        asked = (body.get("stream_options") or {}).get("include_usage") and behaviour.usage
        ready = frames.stream_frames(tokens, **parts, usage=usage if asked else None)
        if not behaviour.places:
            return await self._stream(request, behaviour, started_at, ready)
        self._places = self._places or asyncio.Semaphore(behaviour.places)
        try:
            await self._places.acquire()
        except asyncio.CancelledError:
            self.stats.end("cancelled_by_client")
            raise
        try:
            started_at = asyncio.get_running_loop().time()
            return await self._stream(request, behaviour, started_at, ready)
        finally:
            self._places.release()

    async def _stream(
        self, request: web.Request, behaviour: Behaviour, started_at: float, ready: list[bytes]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.enable_chunked_encoding()
        fault_after = _first_fault(behaviour)
        assert self._pacer is not None
        playback, how = None, "cancelled_by_client"
        try:
            writer = await response.prepare(request)
            assert writer is not None
            writer.send_headers()
            transport = request.transport
            if transport is None:
                raise ConnectionResetError
            playback = self._pacer.play(
                transport,
                ready if fault_after is None else ready[:fault_after],
                first_at=started_at + behaviour.ttft_ms / 1000,
                interval=behaviour.interval_seconds,
            )
            await playback.finished
            if fault_after is not None:
                how = "cancelled_by_client" if behaviour.stall_after is not None else "failed"
                await _fail(behaviour, transport)
            else:
                how = "completed"
            if not transport.is_closing():
                await response.write_eof()
        finally:
            self.stats.end(how, playback.sent if playback else 0)
        return response

    async def _whole(
        self,
        behaviour: Behaviour,
        started_at: float,
        tokens: list[str],
        parts: dict[str, str],
        usage: dict[str, int],
    ) -> web.Response:
        spent = asyncio.get_running_loop().time() - started_at
        pause = behaviour.ttft_ms / 1000 + behaviour.interval_seconds * (len(tokens) - 1) - spent
        how = "cancelled_by_client"
        try:
            await asyncio.sleep(max(pause, 0))
            how = "completed"
        finally:
            self.stats.end(how, len(tokens) if how == "completed" else 0)
        shown = usage if behaviour.usage else None
        return web.Response(
            body=frames.whole_answer(tokens, **parts, usage=shown), content_type="application/json"
        )

    async def _models(self, request: web.Request) -> web.Response:
        names = ["sim", "sim-tokens-50-tps-0", "sim-stall-after-5", "sim-error-500", "sim-429"]
        models = [
            {"id": name, "object": "model", "created": 0, "owned_by": "simulator"} for name in names
        ]
        return web.json_response({"object": "list", "data": models, "directives": DIRECTIVES})

    async def _read_stats(self, request: web.Request) -> web.Response:
        return web.json_response(self.stats.as_dict() | {"time": time.time()})

    async def _reset_stats(self, request: web.Request) -> web.Response:
        self.stats.reset()
        return web.json_response(self.stats.as_dict())

    async def _change_behaviour(self, request: web.Request) -> web.Response:
        changes = orjson.loads(await request.read())
        try:
            self.behaviour = replace(self.behaviour, **changes)
        except TypeError as error:
            return _error(400, str(error), "invalid_request_error")
        return web.json_response(asdict(self.behaviour))

    def _count_connection(self, request: web.Request) -> None:
        transport = request.transport
        if transport is not None and transport not in self._transports:
            self._transports.add(transport)
            self.stats.connections += 1

    def _with_faults(self, behaviour: Behaviour) -> Behaviour:
        """*behaviour*, made to fail where the drawn lot says so."""
        lot = self._faults.random()
        if lot < behaviour.error_rate:
            return replace(behaviour, status=500)
        if lot < behaviour.error_rate + behaviour.stall_rate:
            return replace(behaviour, stall_after=int(behaviour.tokens * STALL_AFTER_SHARE))
        return behaviour


def _first_fault(behaviour: Behaviour) -> int | None:
    for after in (behaviour.stall_after, behaviour.cut_after, behaviour.error_after):
        if after is not None:
            return after
    return None


async def _fail(behaviour: Behaviour, transport: asyncio.WriteTransport) -> None:
    if behaviour.stall_after is not None:
        await asyncio.Event().wait()  # until the client leaves
    elif behaviour.cut_after is not None:
        transport.close()
    else:
        error = frames.error_of("The simulator was asked to fail", "server_error", "sim_error")
        transport.write(frames.in_http_chunk(frames.event(error)))


def _refusal(request: web.Request, behaviour: Behaviour) -> web.Response | None:
    key = behaviour.api_key
    if key is not None and request.headers.get("Authorization") != f"Bearer {key}":
        return _error(401, "Incorrect API key provided", "invalid_request_error", "invalid_api_key")
    if behaviour.status == 429:
        response = _error(429, "Rate limit reached", "requests", "rate_limit_exceeded")
        response.headers["Retry-After"] = str(behaviour.retry_after_seconds)
        return response
    if behaviour.status != 200:
        return _error(behaviour.status, "The simulator was asked to fail", "server_error")
    return None


def _error(status: int, message: str, kind: str, code: str | None = None) -> web.Response:
    return web.json_response(frames.error_of(message, kind, code), status=status)


def _text_of(content: Any) -> str:
    """A message's text, where its content is a string, a list of parts, or absent."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""
