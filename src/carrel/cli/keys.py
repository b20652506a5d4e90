"""`carrel keys`: what tenants' programs present. Needs the admin key.

A key's secret is printed once, when it is made; the server keeps only its hash.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from carrel.cli.failure import Failure
from carrel.cli.options import DEFAULT_URL, AdminKey, AsJson, Url, admin_key, expiry_option

if TYPE_CHECKING:
    from carrel.cli.wire import KeyOptions
    from carrel.settings import Settings

keys = typer.Typer(help="Create, list and revoke tenants' API keys.", no_args_is_help=True)

TenantOption = Annotated[str, typer.Option("--tenant", metavar="ID", help="The tenant's id.")]


@keys.command()
def create(
    tenant_id: TenantOption,
    *,
    name: Annotated[str | None, typer.Option(help="What the key is for.")] = None,
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="What it may do; repeatable. Default: all that a tenant may."),
    ] = None,
    expires_in: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it ends: 12h, 30d, 8w. Default: never.")
    ] = None,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """Create a key for a tenant; its secret is shown once."""
    options: KeyOptions = {}
    if name:
        options["name"] = name
    if scopes:
        options["scopes"] = scopes
    if (expires_at := expiry_option(expires_in)) is not None:
        options["expires_at"] = expires_at
    asyncio.run(_create(tenant_id, options, url, admin_key(key), as_json=as_json))


@keys.command("list")
def list_all(
    tenant_id: TenantOption,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
) -> None:
    """List a tenant's keys, without their secrets."""
    asyncio.run(_list(tenant_id, url, admin_key(key), as_json=as_json))


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `carrel keys list` shows it.")],
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

    from carrel.services import open_database
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
    from carrel.cli.render import show_json

    async with Client(url, key) as client:
        made = await client.create_key(tenant_id, **options)
    if as_json:
        show_json(made)
        return
    until = f", until {_minute(made.expires_at)}" if made.expires_at else ""
    typer.echo(f"Created key {made.id}{until}. Its secret is shown only this once:", err=True)
    typer.echo("", err=True)
    typer.echo(made.secret)
    typer.echo("", err=True)
    typer.echo("Next: export CARREL_API_KEY=<the secret>, then carrel ingest PATH", err=True)


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
