"""`carrel verify-isolation`: attacks a running deployment with tenants of its own.

They are made for the purpose and erased at the end, whatever happens. Nothing
of other tenants is read or changed.
"""

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from carrel.cli.failure import Failure
from carrel.cli.options import DEFAULT_URL, AdminKey, AsJson, Url, admin_key

if TYPE_CHECKING:
    from carrel.cli.isolation.verdict import Finding


def verify_isolation(
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
    as_json: AsJson = False,
    as_lines: Annotated[
        bool, typer.Option("--json-lines", help="Print a line of JSON for each attack at once.")
    ] = False,
) -> None:
    """Check on a running server that tenants cannot reach each other."""
    asyncio.run(_verify(url, admin_key(key), as_json=as_json, as_lines=as_lines))


async def _verify(url: str, key: str, *, as_json: bool, as_lines: bool) -> None:
    from carrel.cli.isolation.verdict import attack
    from carrel.cli.render import show_json, show_line

    findings: list[Finding] = []
    async with aclosing(attack(url, key)) as found:
        async for finding in found:
            if as_lines:
                show_line(finding)
            elif not as_json:
                _show(finding, findings[-1].tiers if findings else "")
            findings.append(finding)
    if as_json:
        show_json(findings)
    broken = [finding for finding in findings if not finding.held]
    if broken:
        raise Failure(f"Isolation is BROKEN: {len(broken)} of {len(findings)} attacks got through.")
    if not as_json and not as_lines:
        typer.echo(f"Isolation holds: {len(findings)} attacks, none got through.")


def _show(finding: "Finding", tiers_before: str) -> None:
    from rich.text import Text

    from carrel.cli.render import console, printable

    to = console()
    if finding.tiers != tiers_before:
        to.print(Text(f"Tiers: {finding.tiers}", "bold"))
    mark = Text("✓ ", "green") if finding.held else Text("✗ ", "bold red")
    line = mark + Text(finding.attack)
    if finding.seen:
        line += Text(f"  {printable(finding.seen)}", "dim" if finding.held else "red")
    to.print(line)
