"""`carrel tenants`: who is served. Needs the admin key."""

import asyncio
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carrel.cli.options import DEFAULT_URL, AdminKey, AsJson, Url, admin_key
from carrel.cli.terms import (
    BudgetOption,
    Bytes,
    Chunks,
    ConcurrentDocuments,
    ConcurrentRequests,
    Documents,
    OnOutage,
    QueuedDocuments,
    RequestsPerMinute,
    TokensPerMinute,
    terms,
)

if TYPE_CHECKING:
    from carrel.cli.wire import Erasure, Tenant

POLL_SECONDS = 0.3
STEPS = {
    "queued": "Waiting for a worker",
    "copying": "Copying",
    "switching": "Comparing both homes",
    "clearing": "Moved; emptying the old home",
}

tenants = typer.Typer(help="Create, list, change, move and erase tenants.", no_args_is_help=True)

Server = Annotated[
    str | None,
    typer.Option(help="For dedicated: the Qdrant server, as CARREL_QDRANT_SERVERS names it."),
]
TenantArgument = Annotated[str, typer.Argument(metavar="ID", help="The tenant's id.")]


@tenants.command()
def create(
    name: Annotated[str, typer.Argument(help="A name for people; ids are made by the server.")],
    isolation: Annotated[
        str, typer.Option(help="How far apart its vectors are: shared, collection or dedicated.")
    ] = "shared",
    *,
    server: Server = None,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Create a tenant."""
    asyncio.run(_create(name, isolation, server, url, admin_key(key), as_json=as_json))


@tenants.command("list")
def list_all(url: Url = DEFAULT_URL, key: AdminKey = None, as_json: AsJson = False) -> None:
    """List all tenants."""
    asyncio.run(_list(url, admin_key(key), as_json=as_json))


@tenants.command()
def show(
    tenant_id: TenantArgument,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Show one tenant: its isolation, limits and budget."""
    asyncio.run(_show(tenant_id, url, admin_key(key), as_json=as_json))


@tenants.command("set")
def change(
    tenant_id: TenantArgument,
    *,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    status: Annotated[str | None, typer.Option(help="active or suspended.")] = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    concurrent_requests: ConcurrentRequests = None,
    documents: Documents = None,
    size: Bytes = None,
    chunks: Chunks = None,
    queued_documents: QueuedDocuments = None,
    concurrent_documents: ConcurrentDocuments = None,
    budget: BudgetOption = None,
    on_outage: OnOutage = None,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Change a tenant's name, status, limits, quotas or budget."""
    changes = terms(
        requests_per_minute,
        tokens_per_minute,
        concurrent_requests,
        budget,
        on_outage,
        documents=documents,
        bytes=size,
        chunks=chunks,
        queued_documents=queued_documents,
        concurrent_documents=concurrent_documents,
    )
    given = {"name": name, "status": status}
    changes.update({field: value for field, value in given.items() if value is not None})
    if not changes:
        raise typer.BadParameter("nothing to set: give one of the options")
    asyncio.run(_change(tenant_id, changes, url, admin_key(key), as_json=as_json))


@tenants.command()
def delete(
    tenant_id: TenantArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
) -> None:
    """Erase a tenant: its documents, keys and caches."""
    secret = admin_key(key)
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("deleting a tenant erases all of it", param_hint="--yes")
        typer.confirm(f"Erase tenant {tenant_id}, with all its documents and keys?", abort=True)
    asyncio.run(_delete(tenant_id, url, secret))


@tenants.command()
def move(
    tenant_id: TenantArgument,
    to: Annotated[str, typer.Option(help="The tier: shared, collection or dedicated.")],
    *,
    server: Server = None,
    wait: Annotated[bool, typer.Option(help="Wait until it has moved.")] = True,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Move a tenant to another isolation tier, while it is being used."""
    asyncio.run(_move(tenant_id, to, server, url, admin_key(key), wait=wait, as_json=as_json))


@tenants.command()
def erasures(
    tenant_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Of this tenant; of all without it.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Show what was erased, and what a sweep found of it afterwards."""
    asyncio.run(_erasures(tenant_id, limit, url, admin_key(key), as_json=as_json))


async def _create(
    name: str, isolation: str, server: str | None, url: str, key: str, *, as_json: bool
) -> None:
    from carrel.cli.client import Client
    from carrel.cli.render import show_json

    async with Client(url, key) as client:
        tenant = await client.create_tenant(name, isolation=isolation, server=server)
    if as_json:
        show_json(tenant)
        return
    typer.echo(f"Created tenant {tenant.id} ({tenant.name}, {tenant.isolation}).")
    typer.echo(f"Next: carrel keys create --tenant {tenant.id}")


async def _list(url: str, key: str, *, as_json: bool) -> None:
    from carrel.cli.client import Client
    from carrel.cli.render import console, show_json, table

    async with Client(url, key) as client:
        found = [tenant async for tenant in client.tenants()]
    if as_json:
        show_json(found)
    elif found:
        rows = [(each.id, each.name, each.isolation, each.status) for each in found]
        table(("ID", "NAME", "ISOLATION", "STATUS"), rows, console())
    else:
        typer.echo("No tenants yet. Next: carrel tenants create NAME", err=True)


async def _change(
    tenant_id: str, changes: dict[str, Any], url: str, key: str, *, as_json: bool
) -> None:
    from carrel.cli.client import Client

    async with Client(url, key) as client:
        _print(await client.change_tenant(tenant_id, **changes), as_json=as_json)


async def _show(tenant_id: str, url: str, key: str, *, as_json: bool) -> None:
    from carrel.cli.client import Client

    async with Client(url, key) as client:
        _print(await client.tenant(tenant_id), as_json=as_json)


def _print(tenant: "Tenant", *, as_json: bool) -> None:
    from carrel.cli.render import console, fields, show_json

    if as_json:
        show_json(tenant)
        return
    limits, budget = tenant.limits, tenant.budget
    fields(
        {
            "id": tenant.id,
            "name": tenant.name,
            "isolation": " on ".join(filter(None, (tenant.isolation, tenant.server))),
            "status": tenant.status,
            "requests per minute": _or_none(limits and limits.requests_per_minute),
            "tokens per minute": _or_none(limits and limits.tokens_per_minute),
            "concurrent requests": _or_none(limits and limits.concurrent_requests),
            "documents": _or_none(limits and limits.documents),
            "bytes": _or_none(limits and limits.bytes),
            "chunks": _or_none(limits and limits.chunks),
            "budget": f"${budget.usd} a {budget.period}" if budget and budget.usd else "none",
        },
        console(),
    )


async def _delete(tenant_id: str, url: str, key: str) -> None:
    from carrel.cli.client import Client

    async with Client(url, key) as client:
        await client.delete_tenant(tenant_id)
        report = await anext(client.erasures(tenant_id), None)
    if report is None or report.status != "done":
        typer.echo(
            f"Tenant {tenant_id} is gone; its data is still being erased."
            f" Next: carrel tenants erasures {tenant_id}"
        )
        return
    typer.echo(f"Erased tenant {tenant_id}: {_listed(report.found)}. A sweep found nothing left.")


async def _move(
    tenant_id: str,
    isolation: str,
    server: str | None,
    url: str,
    key: str,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    from carrel.cli.client import Client
    from carrel.cli.failure import Failure
    from carrel.cli.render import console, show_json

    async with Client(url, key) as client:
        moving = await client.move_tenant(tenant_id, isolation=isolation, server=server)
        with console(stderr=True).status("") as status:
            while wait and moving.status not in ("done", "failed"):
                status.update(f"{STEPS.get(moving.status, moving.status)} {moving.progress:.0%}")
                await asyncio.sleep(POLL_SECONDS)
                moving = await client.move(tenant_id, moving.id)
    if as_json:
        show_json(moving)
    elif moving.status == "done":
        report = moving.report
        typer.echo(
            f"Moved tenant {tenant_id} to {isolation}: {report.get('chunks', 0):,} chunks of "
            f"{report.get('documents', 0):,} documents; {report.get('searches_compared', 0)} "
            "searches came out the same before and after."
        )
    elif moving.status != "failed":
        typer.echo(f"Move {moving.id} is under way; the tenant is being served meanwhile.")
    if moving.status == "failed":
        raise Failure(f"The tenant stays where it was: {moving.error}")


async def _erasures(
    tenant_id: str | None, limit: int, url: str, key: str, *, as_json: bool
) -> None:
    from carrel.cli.client import Client
    from carrel.cli.render import console, show_json, table

    found: list[Erasure] = []
    async with Client(url, key) as client:
        async for each in client.erasures(tenant_id):
            found.append(each)
            if len(found) == limit:
                break
    if as_json:
        show_json(found)
    elif found:
        rows = [
            (
                each.updated_at[:19].replace("T", " "),
                each.tenant_id,
                each.document_id or "everything",
                _listed(each.found),
                _listed(each.left) if any(each.left.values()) else "nothing",
                each.status,
            )
            for each in found
        ]
        table(("AT", "TENANT", "WHAT", "THERE WAS", "LEFT", "STATUS"), rows, console())
    else:
        typer.echo("Nothing was erased.", err=True)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing"


def _or_none(limit: object) -> str:
    return "none" if limit is None else str(limit)
