"""`carrel audit`: what administrators did. Needs the admin key."""

import asyncio
from typing import Annotated

import typer

from carrel.cli.options import DEFAULT_URL, AdminKey, AsJson, Url, admin_key


def audit(
    tenant_id: Annotated[
        str | None, typer.Option("--tenant", metavar="ID", help="Only what concerns this tenant.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 50,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Show what administrators did, newest first."""
    asyncio.run(_audit(tenant_id, limit, url, admin_key(key), as_json=as_json))


async def _audit(tenant_id: str | None, limit: int, url: str, key: str, *, as_json: bool) -> None:
    from carrel.cli.client import Client
    from carrel.cli.render import console, show_json, table

    async with Client(url, key) as client:
        found = await client.audit(tenant_id=tenant_id, limit=limit)
    if as_json:
        show_json(found)
    elif found:
        rows = [
            (each.at[:19].replace("T", " "), each.action, each.target, each.actor) for each in found
        ]
        table(("AT (UTC)", "ACTION", "TARGET", "BY"), rows, console())
    else:
        typer.echo("Nothing yet.", err=True)
