"""`carrel reindex`: bring tenants to the embedder and the chunks that the settings name.

Tenants are used meanwhile. Nothing is remembered here: what is to be done is what the server says
is left, so the command may be stopped and run again. First, one tenant after another is moved to
the index of that embedder; then documents that were cut otherwise are cut again.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from carrel.cli.options import DEFAULT_URL, AdminKey, Url, admin_key

if TYPE_CHECKING:
    from rich.status import Status

    from carrel.cli.client import Client
    from carrel.cli.wire import Chunking, Move, Tenant

POLL_SECONDS = 0.3
ENDED = ("done", "failed")
FEW = 20  # documents of a tenant that wait: time to queue more


def reindex(
    at_once: Annotated[
        int, typer.Option(help="Tenants at a time; the worker takes uploads meanwhile.", min=1)
    ] = 1,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
) -> None:
    """Embed and cut documents again, after a change of that; searches go on meanwhile."""
    asyncio.run(_reindex(at_once, url, admin_key(key)))


async def _reindex(at_once: int, url: str, key: str) -> None:
    from carrel.cli.client import Client
    from carrel.cli.render import console

    async with Client(url, key) as client:
        with console(stderr=True).status("") as status:
            embedded = await _embed_again(client, at_once, status)
            cut = await _cut_again(client, status)
    done = [line for line in (embedded, cut) if line]
    typer.echo("\n".join(done) or "All is as the settings say; nothing to do.")


async def _embed_again(client: "Client", at_once: int, status: "Status") -> str:
    from carrel.cli.failure import Failure

    failed: list[str] = []
    chunks = 0
    identity = (await client.embedder()).identity
    todo = [each async for each in client.tenants() if each.embedder != identity]
    turns = asyncio.Semaphore(at_once)

    async def one(number: int, tenant: "Tenant") -> None:
        nonlocal chunks
        async with turns:
            status.update(f"{number} of {len(todo)}: {tenant.name}")
            move = await _moved(client, tenant)
            if move.status == "failed":
                failed.append(f"{tenant.id} ({tenant.name}): {move.error}")
            chunks += move.report.get("chunks", 0)

    async with asyncio.TaskGroup() as group:
        for number, tenant in enumerate(todo, start=1):
            group.create_task(one(number, tenant))
    if failed:
        raise Failure("These tenants are served as before:\n" + "\n".join(failed))
    if not todo:
        return ""
    return (
        f"Embedded {chunks:,} chunks of {len(todo)} tenants with {identity}.\n"
        "Next: remove CARREL_PREVIOUS_EMBEDDER__… from the settings and start the server again."
    )


async def _moved(client: "Client", tenant: "Tenant") -> "Move":
    """The tenant's move to the present embedder, once it has ended; one under way is joined."""
    from carrel.cli.failure import ApiError

    try:
        move = await client.move_tenant(tenant.id, isolation=tenant.isolation, server=tenant.server)
    except ApiError as error:
        if error.code != "conflict":
            raise
        moves = await client.moves(tenant.id)
        if not moves:
            raise
        move = moves[0]
    while move.status not in ENDED:
        await asyncio.sleep(POLL_SECONDS)
        move = await client.move(tenant.id, move.id)
    return move


async def _cut_again(client: "Client", status: "Status") -> str:
    from carrel.cli.failure import ApiError, Failure

    failed: list[str] = []
    documents = tenants = 0
    async for tenant in client.tenants():
        try:
            before = await client.chunking(tenant.id)
            left = await _recut(client, tenant, before, status)
        except ApiError as error:
            if error.status != 404:  # it was deleted meanwhile
                raise
            continue
        if left.failed:
            failed.append(f"{tenant.id} ({tenant.name}): {left.failed:,} documents")
        if count := before.left + before.waiting:
            documents += count
            tenants += 1
    if failed:
        raise Failure(
            "The newest versions of these failed: the ones before are served, cut as they were. "
            "GET /admin/dead-jobs, or the console's Operations, says why.\n" + "\n".join(failed)
        )
    return f"Cut {documents:,} documents of {tenants:,} tenants again." if documents else ""


async def _recut(
    client: "Client", tenant: "Tenant", before: "Chunking", status: "Status"
) -> "Chunking":
    from carrel.cli.failure import Failure

    now, queued = before, 0
    while now.left or now.waiting:
        status.update(f"{tenant.name}: {now.left + now.waiting:,} documents are to be cut again")
        if now.left and now.waiting < FEW:
            now = await client.cut_again(tenant.id)
            queued += now.queued
        if queued > before.left:
            raise Failure(
                f"The workers don't cut documents as the server says ({now.chunking}): are all of "
                "them of this version, and is CARREL_INGESTION__CHUNK_… the same for all?"
            )
        await asyncio.sleep(POLL_SECONDS)
        now = await client.chunking(tenant.id)
    return now
