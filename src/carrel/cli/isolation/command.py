"""`carrel verify-isolation`: attacks a running deployment with tenants of its own.

They are made for the purpose and erased at the end, whatever happens. Nothing
of other tenants is read or changed.
"""

import asyncio
from typing import TYPE_CHECKING

import typer

from carrel.cli.failure import Failure
from carrel.cli.options import DEFAULT_URL, AdminKey, AsJson, Url, admin_key

if TYPE_CHECKING:
    from carrel.cli.isolation.verdict import Finding


def verify_isolation(url: Url = DEFAULT_URL, key: AdminKey = None, as_json: AsJson = False) -> None:
    """Check on a running server that tenants cannot reach each other."""
    asyncio.run(_verify(url, admin_key(key), as_json=as_json))


async def _verify(url: str, key: str, *, as_json: bool) -> None:
    from carrel.cli.isolation.verdict import attack
    from carrel.cli.render import show_json

    findings = await attack(url, key)
    if as_json:
        show_json(findings)
    else:
        _show(findings)
    broken = [finding for finding in findings if not finding.held]
    if broken:
        raise Failure(f"Isolation is BROKEN: {len(broken)} of {len(findings)} attacks got through.")
    if not as_json:
        typer.echo(f"Isolation holds: {len(findings)} attacks, none got through.")


def _show(findings: "list[Finding]") -> None:
    from rich.text import Text

    from carrel.cli.render import console, printable

    to = console()
    tiers = ""
    for finding in findings:
        if finding.tiers != tiers:
            tiers = finding.tiers
            to.print(Text(f"Tiers: {tiers}", "bold"))
        mark = Text("✓ ", "green") if finding.held else Text("✗ ", "bold red")
        line = mark + Text(finding.attack)
        if finding.seen:
            line += Text(f"  {printable(finding.seen)}", "dim" if finding.held else "red")
        to.print(line)
