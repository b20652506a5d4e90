"""`carrel reindex`: bring tenants to the embedder that the settings name, while they are used.

One tenant after another is moved to the index of that embedder. Nothing is remembered
here: what is to be done is what the server says is left, so the command may be stopped and
run again.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from carrel.cli.options import DEFAULT_URL, AdminKey, Url, admin_key

if TYPE_CHECKING:
    from carrel.cli.client import Client
    from carrel.cli.wire import Move, Tenant

POLL_SECONDS = 0.3
ENDED = ("done", "failed")


def reindex(
    at_once: Annotated[
        int, typer.Option(help="Tenants at a time; the worker takes uploads meanwhile.", min=1)
    ] = 1,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
) -> None:
    """Embed all documents again, after a change of the embedder; searches go on meanwhile."""
    asyncio.run(_reindex(at_once, url, admin_key(key)))


async def _reindex(at_once: int, url: str, key: str) -> None:
    from carrel.cli.client import Client
    from carrel.cli.failure import Failure
    from carrel.cli.render import console

    failed: list[str] = []
    chunks = 0
    async with Client(url, key) as client:
        identity = (await client.embedder()).identity
        todo = [each async for each in client.tenants() if each.embedder != identity]
        turns = asyncio.Semaphore(at_once)
        with console(stderr=True).status("") as status:

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
        typer.echo(f"All tenants' vectors are of {identity}; nothing to do.")
        return
    typer.echo(
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
