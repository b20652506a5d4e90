"""`carrel tenants`: who is served. Needs the admin key."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carrel.cli.options import DEFAULT_URL, AdminKey, AsJson, Url, admin_key
from carrel.cli.terms import (
    BudgetOption,
    ConcurrentRequests,
    OnOutage,
    RequestsPerMinute,
    TokensPerMinute,
    terms,
)

if TYPE_CHECKING:
    from carrel.cli.wire import Tenant

tenants = typer.Typer(help="Create, list, change and delete tenants.", no_args_is_help=True)

TenantArgument = Annotated[str, typer.Argument(metavar="ID", help="The tenant's id.")]


@tenants.command()
def create(
    name: Annotated[str, typer.Argument(help="A name for people; ids are made by the server.")],
    isolation: Annotated[
        str, typer.Option(help="How far apart its vectors are: shared, collection or dedicated.")
    ] = "shared",
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Create a tenant."""
    asyncio.run(_create(name, isolation, url, admin_key(key), as_json=as_json))


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
    budget: BudgetOption = None,
    on_outage: OnOutage = None,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Change a tenant's name, status, limits or budget."""
    changes = terms(requests_per_minute, tokens_per_minute, concurrent_requests, budget, on_outage)
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


async def _create(name: str, isolation: str, url: str, key: str, *, as_json: bool) -> None:
    from carrel.cli.client import Client
    from carrel.cli.render import show_json

    async with Client(url, key) as client:
        tenant = await client.create_tenant(name, isolation=isolation)
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
            "isolation": tenant.isolation,
            "status": tenant.status,
            "requests per minute": _or_none(limits and limits.requests_per_minute),
            "tokens per minute": _or_none(limits and limits.tokens_per_minute),
            "concurrent requests": _or_none(limits and limits.concurrent_requests),
            "budget": f"${budget.usd} a {budget.period}" if budget and budget.usd else "none",
        },
        console(),
    )


async def _delete(tenant_id: str, url: str, key: str) -> None:
    from carrel.cli.client import Client

    async with Client(url, key) as client:
        await client.delete_tenant(tenant_id)
    typer.echo(f"Erased tenant {tenant_id}.")


def _or_none(limit: object) -> str:
    return "none" if limit is None else str(limit)
