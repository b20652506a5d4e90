"""`carrel doctor`: what is configured, what is reachable, and what to do about what is not."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import typer

if TYPE_CHECKING:
    from carrel.llm_settings import UpstreamSettings
    from carrel.settings import Settings

Verdict = Literal["ok", "note", "bad"]
_MARK = {"ok": "[green]✓[/]", "note": "[yellow]•[/]", "bad": "[red]✗[/]"}
_ORDER = {"ok": 0, "note": 1, "bad": 2}
LOW_DISK_BYTES = 1_000_000_000
REACH_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: its state, and what to do where it is not well."""

    verdict: Verdict
    state: str
    advice: str = ""


def doctor() -> None:
    """Check the configuration and every service it names."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from carrel.settings import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        typer.echo(f"✗ settings: {error}", err=True)
        raise typer.Exit(1) from None
    findings = asyncio.run(_examine(settings))
    table = Table(box=None, show_header=False, padding=(0, 1))
    for name, finding in findings.items():
        lines = escape(finding.state)
        if finding.advice:
            lines += f"\n[dim]→ {escape(finding.advice)}[/]"
        table.add_row(_MARK[finding.verdict], f"[bold]{name}[/]", lines)
    Console(highlight=False, soft_wrap=False).print(table)
    raise typer.Exit(1 if any(each.verdict == "bad" for each in findings.values()) else 0)


async def _examine(settings: "Settings") -> dict[str, Finding]:
    checks: dict[str, Callable[[Settings], Awaitable[Finding]]] = {
        "data folder": _data_folder,
        "admin key": _admin_key,
        "database": _database,
        "redis": _redis,
        "vectors": _vectors,
        **{f"vectors, {name}": _dedicated(name) for name in settings.qdrant_servers},
        "embedder": _embedder,
        "reranker": _reranker,
        "answers": _llm,
    }
    return {name: await check(settings) for name, check in checks.items()}


async def _data_folder(settings: "Settings") -> Finding:
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Finding("bad", f"{folder}: {error.strerror}", "set CARREL_DATA_DIR")
    free = shutil.disk_usage(folder).free
    state = f"{folder}, {free / 1e9:.1f} GB free"
    if free < LOW_DISK_BYTES:
        return Finding("note", state, "uploads are refused when the disk is full")
    return Finding("ok", state)


async def _admin_key(settings: "Settings") -> Finding:
    if settings.admin_key is not None:
        return Finding("ok", "from CARREL_ADMIN_KEY")
    return Finding("ok", "in the database; printed once, at the first start of `carrel serve`")


async def _database(settings: "Settings") -> Finding:
    from sqlalchemy import make_url

    from carrel.database.engine import Database
    from carrel.database.migrate import HEAD, current_revision
    from carrel.domain.errors import CarrelError

    url = make_url(settings.sql_url)
    shown = "SQLite, " + str(url.database) if settings.database_url is None else repr(url)
    database = Database(settings.sql_url)
    try:
        async with asyncio.timeout(REACH_SECONDS), database.read() as connection:
            revision = await connection.run_sync(current_revision)
    except (CarrelError, TimeoutError):
        return Finding("bad", f"{shown} does not answer", "check CARREL_DATABASE_URL")
    finally:
        await database.close()
    if revision == HEAD:
        return Finding("ok", f"{shown}, schema {revision}")
    return Finding("note", f"{shown}, schema {revision or 'empty'}", "`carrel serve` migrates it")


async def _redis(settings: "Settings") -> Finding:
    from carrel.redis.client import RedisClient
    from carrel.redis.errors import SharedStateDown
    from carrel.serving.neighbours import explained, unshared
    from carrel.sharing import place_of

    if settings.redis_url is None:
        return Finding("ok", "none: limits and answers are kept in the memory of one API process")
    redis = RedisClient(settings.redis_url.get_secret_value(), budget_seconds=REACH_SECONDS)
    try:
        lacking = await unshared(place_of(settings), redis)
    except SharedStateDown as error:
        return Finding("bad", f"does not answer: {error.reason}", "check CARREL_REDIS_URL")
    finally:
        await redis.close()
    if lacking:
        return Finding("bad", "answers; not all is shared", explained(lacking))
    return Finding("ok", "answers")


async def _vectors(settings: "Settings") -> Finding:
    from carrel.domain.errors import CarrelError
    from carrel.resources.vectors import open_vectors
    from carrel.spaces import spaces

    if settings.qdrant_url is not None:
        return await _qdrant(settings, None, settings.qdrant_url, "check CARREL_QDRANT_URL")
    async with contextlib.AsyncExitStack() as stack:
        try:
            vectors = await open_vectors(settings, spaces(settings)[0], stack)
            async with asyncio.timeout(REACH_SECONDS):
                await vectors.ping()
        except (CarrelError, TimeoutError):
            return Finding("note", "embedded, not running", "`carrel serve` starts it")
    return Finding("ok", "embedded, running")


def _dedicated(name: str) -> "Callable[[Settings], Awaitable[Finding]]":
    async def check(settings: "Settings") -> Finding:
        url = settings.qdrant_servers[name].url
        return await _qdrant(settings, name, url, f"check {name} in CARREL_QDRANT_SERVERS")

    return check


async def _qdrant(settings: "Settings", name: str | None, url: str, advice: str) -> Finding:
    from carrel.domain.errors import CarrelError
    from carrel.resources.vectors import inspect_vectors

    try:
        remarks = await inspect_vectors(settings, name)
    except CarrelError as error:
        return Finding("bad", f"{url}: {error.message}", advice)
    worst = max(remarks, key=lambda each: _ORDER[each.verdict]).verdict
    todo = " ".join(each.advice for each in remarks if each.verdict != "ok" and each.advice)
    return Finding(worst, "; ".join(each.state for each in remarks), todo)


async def _embedder(settings: "Settings") -> Finding:
    from carrel.domain.errors import CarrelError
    from carrel.models import open_embedder

    try:
        embedder = open_embedder(settings.embedder, settings.data_dir)
    except CarrelError as error:
        return Finding("bad", error.message, "check CARREL_EMBEDDER__…")
    started = time.perf_counter()
    try:
        await embedder.embed_query("Does it work?")
    except CarrelError as error:
        return Finding("bad", f"{embedder.identity}: {error.message}", "check CARREL_EMBEDDER__…")
    finally:
        await embedder.close()
    spent = (time.perf_counter() - started) * 1000
    where = {
        "static": "in the package; nothing is downloaded",
        "onnx": "in this process",
        "http": f"at {settings.embedder.base_url}, answered in {spent:.0f} ms",
    }
    return Finding("ok", f"{embedder.identity}, {where[settings.embedder.kind]}")


async def _reranker(settings: "Settings") -> Finding:
    from carrel.domain.errors import CarrelError
    from carrel.models import open_reranking

    reranking = open_reranking(settings.reranker, settings.data_dir)
    if reranking is None:
        return Finding("ok", "none: passages are shown in the fused order")
    budget = settings.reranker.timeout_seconds
    started = time.perf_counter()
    try:
        await reranking.try_once(timeout_seconds=10 * budget)
    except (CarrelError, TimeoutError) as error:
        state = f"{settings.reranker.kind}: {error or 'no answer'}"
        return Finding(
            "bad", state, "check CARREL_RERANKER__…; without it answers come all the same"
        )
    finally:
        await reranking.close()
    return Finding(
        "ok", f"{settings.reranker.kind}, {time.perf_counter() - started:.1f} s to start"
    )


async def _llm(settings: "Settings") -> Finding:
    if not settings.llm.chosen:
        advice = "set CARREL_LLM__BASE_URL, __MODEL and __API_KEY for written answers"
        return Finding("ok", "extractive: quotes your documents, calls no model", advice)
    findings = await asyncio.gather(*map(_upstream, settings.llm.chosen))
    worst = max(findings, key=lambda each: _ORDER[each.verdict]).verdict
    advice = " ".join(each.advice for each in findings if each.advice)
    return Finding(worst, "; ".join(each.state for each in findings), advice)


async def _upstream(upstream: "UpstreamSettings") -> Finding:
    import aiohttp

    from carrel.llm_settings import ONLY

    key = upstream.api_key.get_secret_value() if upstream.api_key else ""
    address, where = upstream.base_url, f"{upstream.name} in CARREL_LLM__UPSTREAMS"
    if upstream.name == ONLY:
        where = "CARREL_LLM__BASE_URL and __API_KEY"
    headers = {"authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=REACH_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.get(f"{address.rstrip('/')}/models") as response,
        ):
            status = response.status
    except (aiohttp.ClientError, TimeoutError) as error:
        state = f"{address} does not answer ({type(error).__name__})"
        return Finding("bad", state, f"check {where}")
    if status in (401, 403):
        return Finding("bad", f"{address} refuses the key", f"check {where}")
    return Finding("ok", f"{upstream.model} at {address}")
