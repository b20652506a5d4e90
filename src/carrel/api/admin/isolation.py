"""The isolation check on a button: `carrel verify-isolation`, against this very server.

It is a process of its own, which knows of the server what any client knows: it comes over HTTP to
the address that the caller's own request came to, with the caller's credential.
"""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from carrel.api.dependencies import Admin, Credential, Opened
from carrel.api.errors import describe
from carrel.api.event_stream import EventStream, frame
from carrel.domain.errors import Conflict, Unavailable

router = APIRouter(prefix="/admin/isolation-check", tags=["admin"])

CLEANING_SECONDS = 60.0  # for what a check that was broken off has to erase
_turn = asyncio.Lock()
_waiting: set[asyncio.Task[None]] = set()


@router.post("", summary="Attack this server with tenants made for it, as server-sent events")
async def check(admin: Admin, secret: Credential, services: Opened, request: Request) -> Response:
    """An event `finding` for each attack, then `done`, or `error` if it could not be carried out.

    What is made for it is erased at the end, also if the reader leaves.
    """
    if _turn.locked():
        raise Conflict("an isolation check is running here: wait until it is over")
    child = await _start(_address(request), secret)
    await services.audit.add(admin, "isolation.check", target="server", tenant_id=None)
    return EventStream(_findings(child, request))


def _address(request: Request) -> str:
    host, port = request.scope["server"]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _start(address: str, secret: str) -> Process:
    """The check, whose turn it is until it has ended, whether or not anyone reads of it."""
    words = ("-m", "carrel", "verify-isolation", "--url", address, "--json-lines")
    environment = {**os.environ, "CARREL_ADMIN_KEY": secret}
    await _turn.acquire()
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable, *words, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
    except BaseException:
        _turn.release()
        raise
    waiting = asyncio.create_task(_until_over(child))
    _waiting.add(waiting)
    waiting.add_done_callback(_waiting.discard)
    return child


async def _until_over(child: Process) -> None:
    try:
        await child.wait()
    finally:
        _turn.release()


async def _findings(child: Process, request: Request) -> AsyncGenerator[bytes]:
    assert child.stdout is not None
    assert child.stderr is not None
    attacks = broken = 0
    try:
        async for line in child.stdout:
            attacks += 1
            broken += not orjson.loads(line)["held"]
            yield frame(line.rstrip(), event="finding", number=attacks)
        said = (await child.stderr.read()).decode(errors="replace").strip()
        if await child.wait() and not broken:
            error = Unavailable(f"the check could not be carried out: {said[-500:]}")
            yield frame(orjson.dumps(describe(error, request)), event="error")
            return
        done = {"held": not broken, "attacks": attacks, "broken": broken}
        yield frame(orjson.dumps(done), event="done", number=attacks + 1)
    finally:
        _interrupt(child)


def _interrupt(child: Process) -> None:
    """Have it erase what it made, and end; after a while, have it end."""
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGINT)
    loop = asyncio.get_running_loop()
    loop.call_later(CLEANING_SECONDS, _end, child)


def _end(child: Process) -> None:
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
