"""`carrel keys`: what tenants' programs present. Needs the admin key.

A key's secret is printed once, when it is made; the server keeps only its hash.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from carrel.cli.failure import Failure
from carrel.cli.options import (
    DEFAULT_URL,
    AdminKey,
    AsJson,
    Url,
    admin_key,
    expiry_option,
    seconds_option,
)
from carrel.cli.terms import (
    BudgetOption,
    ConcurrentRequests,
    OnOutage,
    RequestsPerMinute,
    TokensPerMinute,
    terms,
)

if TYPE_CHECKING:
    from carrel.cli.wire import KeyOptions, NewKey
    from carrel.settings import Settings

keys = typer.Typer(
    help="Create, list, change, rotate and revoke tenants' API keys.", no_args_is_help=True
)

TenantOption = Annotated[str, typer.Option("--tenant", metavar="ID", help="The tenant's id.")]

KeyArgument = Annotated[str, typer.Argument(help="The key's id, as `carrel keys list` shows it.")]


@keys.command()
def create(
    tenant_id: TenantOption,
    *,
    name: Annotated[str | None, typer.Option(help="What the key is for.")] = None,
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="What it may do; repeatable. Default: all that a tenant may."),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--group", help="A group whose documents it may see; repeatable."),
    ] = None,
    expires_in: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it ends: 12h, 30d, 8w. Default: never.")
    ] = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    concurrent_requests: ConcurrentRequests = None,
    budget: BudgetOption = None,
    on_outage: OnOutage = None,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Create a key for a tenant; its secret is shown once."""
    options = terms(requests_per_minute, tokens_per_minute, concurrent_requests, budget, on_outage)
    given = {"name": name, "scopes": scopes, "groups": groups}
    options.update({field: value for field, value in given.items() if value})
    if (expires_at := expiry_option(expires_in)) is not None:
        options["expires_at"] = expires_at
    asyncio.run(
        _create(tenant_id, cast("KeyOptions", options), url, admin_key(key), as_json=as_json)
    )


@keys.command("list")
def list_all(
    tenant_id: TenantOption,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """List a tenant's keys, without their secrets."""
    asyncio.run(_list(tenant_id, url, admin_key(key), as_json=as_json))


@keys.command("set")
def change(
    key_id: KeyArgument,
    *,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    concurrent_requests: ConcurrentRequests = None,
    budget: BudgetOption = None,
    on_outage: OnOutage = None,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
) -> None:
    """Change a key's name, limits or budget."""
    changes = terms(requests_per_minute, tokens_per_minute, concurrent_requests, budget, on_outage)
    if name is not None:
        changes["name"] = name
    if not changes:
        raise typer.BadParameter("nothing to set: give one of the options")
    asyncio.run(_change(key_id, changes, url, admin_key(key)))


@keys.command()
def rotate(
    key_id: KeyArgument,
    overlap: Annotated[
        str, typer.Option(metavar="TIME", help="How long both keys work: 1h, 7d; 0: not at all.")
    ] = "1d",
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Make a key in the place of another, which works on for a while."""
    seconds = 0 if overlap == "0" else seconds_option(overlap, "--overlap")
    asyncio.run(_rotate(key_id, seconds, url, admin_key(key), as_json=as_json))


@keys.command()
def revoke(
    key_id: KeyArgument,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
) -> None:
    """Make a key worthless, at once."""
    asyncio.run(_revoke(key_id, url, admin_key(key)))


@keys.command("replace-admin")
def replace_admin() -> None:
    """Make a new admin key and revoke those before it; on the server's own machine."""
    from carrel.settings import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        raise Failure(str(error)) from None
    if settings.admin_key is not None:
        raise Failure("the admin key is CARREL_ADMIN_KEY: change it there and restart the server.")
    asyncio.run(_replace_admin(settings))


async def _replace_admin(settings: "Settings") -> None:
    import contextlib

    from carrel.resources.stores import open_database
    from carrel.tenancy.keys import KeyStore

    async with contextlib.AsyncExitStack() as stack:
        made = await KeyStore(await open_database(settings, stack)).replace_admin()
    typer.echo(
        "The admin keys before are refused within 5 s. The new one, shown only now:", err=True
    )
    typer.echo(made.secret)


async def _create(
    tenant_id: str, options: "KeyOptions", url: str, key: str, *, as_json: bool
) -> None:
    from carrel.cli.client import Client

    async with Client(url, key) as client:
        made = await client.create_key(tenant_id, **options)
    _show_secret(made, as_json=as_json)
    if not as_json:
        typer.echo("Next: export CARREL_API_KEY=<the secret>, then carrel ingest PATH", err=True)


async def _change(key_id: str, changes: dict[str, Any], url: str, key: str) -> None:
    from carrel.cli.client import Client

    async with Client(url, key) as client:
        await client.change_key(key_id, **changes)
    typer.echo(f"Changed key {key_id}.")


async def _rotate(key_id: str, seconds: int, url: str, key: str, *, as_json: bool) -> None:
    from carrel.cli.client import Client

    async with Client(url, key) as client:
        made = await client.rotate_key(key_id, overlap_seconds=seconds)
    _show_secret(made, as_json=as_json)
    if not as_json:
        end = f"in {seconds:,} s" if seconds else "from now on"
        typer.echo(f"The key before, {key_id}, is refused {end}.", err=True)


def _show_secret(made: "NewKey", *, as_json: bool) -> None:
    from carrel.cli.render import show_json

    if as_json:
        show_json(made)
        return
    until = f", until {_minute(made.expires_at)}" if made.expires_at else ""
    typer.echo(f"Created key {made.id}{until}. Its secret is shown only this once:", err=True)
    typer.echo("", err=True)
    typer.echo(made.secret)
    typer.echo("", err=True)


async def _list(tenant_id: str, url: str, key: str, *, as_json: bool) -> None:
    from carrel.cli.client import Client
    from carrel.cli.render import console, show_json, table

    async with Client(url, key) as client:
        found = [each async for each in client.keys(tenant_id)]
    if as_json:
        show_json(found)
    elif found:
        rows = [
            (
                each.id,
                each.name,
                each.prefix,
                " ".join(each.scopes),
                _minute(each.expires_at),
                _minute(each.last_used_at),
            )
            for each in found
        ]
        table(("ID", "NAME", "PREFIX", "SCOPES", "EXPIRES", "LAST USED"), rows, console())
    else:
        typer.echo(f"No keys yet. Next: carrel keys create --tenant {tenant_id}", err=True)


async def _revoke(key_id: str, url: str, key: str) -> None:
    from carrel.cli.client import Client

    async with Client(url, key) as client:
        await client.revoke_key(key_id)
    typer.echo(f"Revoked key {key_id}.")


def _minute(moment: str | None) -> str:
    """A moment of the server's, which are all UTC, to the minute."""
    return moment[:16].replace("T", " ") + " UTC" if moment else "never"
