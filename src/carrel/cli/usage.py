"""`carrel usage`: what each tenant used and what it cost, day by day. Needs the admin key."""

import asyncio
import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from carrel.cli.options import DEFAULT_URL, AdminKey, AsJson, Url, admin_key

if TYPE_CHECKING:
    from rich.console import Console

    from carrel.cli.wire import UsageBucket

COLUMNS = ("DAY", "REQUESTS", "CACHED", "TOKENS IN", "OUT", "COST", "SAVED")
NUMBERS_WIDTH = 70
RECORD = (
    "day",
    "tenant_id",
    "tenant",
    "requests",
    "cache_hits",
    "unfinished",
    "unpriced",
    "prompt_tokens",
    "completion_tokens",
    "embedding_tokens",
    "cost_usd",
    "saved_usd",
)


def usage(  # noqa: PLR0917 - typer passes options by name
    tenant_id: Annotated[
        str | None, typer.Option("--tenant", metavar="ID", help="Only this tenant.")
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=366, help="How many days back, today included (UTC).")
    ] = 7,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Show what each tenant used, and what it cost."""
    from carrel.cli.render import console, show_json, table

    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - timedelta(days=days - 1)
    buckets, names = asyncio.run(_fetch(start, tenant_id, url, admin_key(key)))
    to = console()
    if as_json:
        show_json(buckets)
    elif as_csv:
        csv.writer(sys.stdout).writerows([RECORD, *_records(buckets, names)])
    elif not buckets:
        typer.echo(f"No questions were asked in the last {days} days.", err=True)
    elif to.is_terminal:
        _show(buckets, names, to)
    else:
        table([name.upper() for name in RECORD], _records(buckets, names), to)


async def _fetch(
    start: datetime, tenant_id: str | None, url: str, key: str
) -> "tuple[list[UsageBucket], dict[str, str]]":
    from carrel.cli.client import Client

    async with Client(url, key) as client:
        buckets = await client.usage(start, tenant_id=tenant_id)
        if tenant_id:
            names = {tenant_id: (await client.tenant(tenant_id)).name}
        else:
            names = {tenant.id: tenant.name async for tenant in client.tenants()}
    return buckets, names


def _show(buckets: "Sequence[UsageBucket]", names: Mapping[str, str], to: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    from carrel.cli.render import one_line

    shown = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 1))
    room = max(12, min(30, to.width - NUMBERS_WIDTH))  # numbers are never the ones to be cut
    shown.add_column("TENANT", no_wrap=True, overflow="ellipsis", max_width=room)
    for column in COLUMNS:
        shown.add_column(column, no_wrap=True, justify="left" if column == "DAY" else "right")
    by_tenant = _by_tenant(buckets, names)
    for tenant_id, days in by_tenant:
        name = Text(one_line(names.get(tenant_id, tenant_id)), style="bold")
        for number, day in enumerate(days):
            shown.add_row("" if number else name, f"{day.start:%b %d}", *_cells([day]))
        if len(days) > 1:
            shown.add_row("", "total", *_cells(days), style="bold")
        shown.add_row()
    if len(by_tenant) > 1:
        shown.add_row("all tenants", "total", *_cells(buckets), style="bold")
    to.print(shown)
    if unpriced := sum(day.unpriced for day in buckets):
        note = f"? {unpriced:,} requests to models whose price is not known: set CARREL_PRICES."
        to.print(Text(note, style="yellow"))


def _by_tenant(
    buckets: "Iterable[UsageBucket]", names: Mapping[str, str]
) -> "list[tuple[str, list[UsageBucket]]]":
    """The days of each tenant, tenants by name."""

    def order(bucket: "UsageBucket") -> tuple[str, str, datetime]:
        tenant_id = bucket.tenant_id or ""
        return (names.get(tenant_id, "").casefold(), tenant_id, bucket.start)

    ordered = sorted(buckets, key=order)
    grouped = groupby(ordered, key=lambda bucket: bucket.tenant_id or "")
    return [(tenant_id, list(days)) for tenant_id, days in grouped]


def _cells(days: "Sequence[UsageBucket]") -> tuple[str, ...]:
    unknown = " ?" if any(day.unpriced for day in days) else ""
    return (
        f"{sum(day.requests for day in days):,}",
        f"{sum(day.cache_hits for day in days):,}",
        _compact(sum(day.prompt_tokens for day in days)),
        _compact(sum(day.completion_tokens for day in days)),
        _dollars(sum((Decimal(day.cost_usd) for day in days), Decimal(0))) + unknown,
        _dollars(sum((Decimal(day.saved_usd) for day in days), Decimal(0))),
    )


def _compact(tokens: int) -> str:
    """To three figures: 950, 42.0k, 1.10M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if tokens >= size:
            value = tokens / size
            return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}{unit}"
    return str(tokens)


def _dollars(usd: Decimal) -> str:
    """To the cent from a dollar on; below, to the micro-dollar, so that nothing looks free."""
    return f"${usd:,.2f}" if usd >= 1 or not usd else f"${usd:.6f}"


def _records(buckets: "Iterable[UsageBucket]", names: Mapping[str, str]) -> list[tuple[str, ...]]:
    """A row for each day of each tenant, exact, as `RECORD` names its fields."""
    return [
        (
            f"{day.start:%Y-%m-%d}",
            tenant_id,
            names.get(tenant_id, ""),
            *(str(getattr(day, name)) for name in RECORD[3:]),
        )
        for tenant_id, days in _by_tenant(buckets, names)
        for day in days
    ]
