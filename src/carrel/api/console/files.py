"""The console's files, from memory, under a policy that lets pages speak to this server alone.

Every path of the console is the same page, which knows the session from its first
byte: what it shows first needs no further request.
"""

import asyncio
import gzip
import hashlib
import html
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orjson
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from carrel.api.console import cookie
from carrel.api.console.session import NEVER_STORED, shown
from carrel.api.dependencies import Opened
from carrel.domain.errors import CarrelError, NotFound

BUILT = Path(__file__).parents[2] / "console_dist"
_SESSION_MARK = b'name="carrel-session" content=""'
# Scripts and styles from files of this server, no text ever parsed as markup, no request elsewhere.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_KEPT = {"cache-control": "public, max-age=31536000, immutable"}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is, and compressed."""

    content: bytes
    packed: bytes
    media_type: str
    tag: str


@cache
def files() -> dict[str, File]:
    """All files of the built console by their paths; empty where it was not built."""
    found = sorted(path for path in BUILT.rglob("*") if path.is_file() and path.suffix)
    return {path.relative_to(BUILT).as_posix(): _read(path) for path in found}


@router.get("/")
async def root() -> Response:
    return RedirectResponse("/console")


@router.get("/console")
@router.get("/console/{path:path}")
async def console(request: Request, services: Opened, path: str = "") -> Response:
    """The file of that path; any path without a suffix is the page."""
    if "." in path.rpartition("/")[2]:
        return await _file(request, path)
    return await _page(request, services)


async def _file(request: Request, path: str) -> Response:
    file = (await asyncio.to_thread(files)).get(path)
    if file is None or path == "index.html":
        raise NotFound("no such file")
    headers = {**HEADERS, "etag": file.tag, "vary": "accept-encoding"}
    headers |= _KEPT if path.startswith("assets/") else {"cache-control": "no-cache"}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(file.packed, media_type=file.media_type, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


async def _page(request: Request, services: Opened) -> Response:
    page = (await asyncio.to_thread(files)).get("index.html")
    if page is None:
        raise NotFound("the console was not built: run `make console`")
    try:
        session = await cookie.opened(request)
        told = await shown(services, session) if session else None
    except CarrelError:
        told = None  # the page asks again, and shows what is wrong
    attribute = html.escape(orjson.dumps(told, option=orjson.OPT_UTC_Z).decode())
    mark = f'name="carrel-session" content="{attribute}"'.encode()
    content = page.content.replace(_SESSION_MARK, mark)
    return Response(content, media_type=page.media_type, headers={**HEADERS, **NEVER_STORED})


def _read(path: Path) -> File:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    return File(content, gzip.compress(content, 9, mtime=0), kind, tag)
