"""What was measured, as tables for a terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table


def show(report: dict[str, Any], console: Console) -> None:
    for chunks in dict.fromkeys(cell["chunks"] for cell in report["cells"]):
        console.print(_cells(chunks, [c for c in report["cells"] if c["chunks"] == chunks]))
    if report["duels"]:
        console.print(_duels(report["duels"]))
    if report["crowds"]:
        console.print(_crowds(report["crowds"]))


def _cells(chunks: int, cells: list[dict[str, Any]]) -> Table:
    table = _table(
        f"{chunks:,} chunks, times in ms (p50 / p99), memory and disk in MB",
        ("tenants", "sizes", "layout", "state", "top-10", "top-100", "hybrid"),
        ("recall", "own", "files", "disk", "build s"),
    )
    for cell in sorted(cells, key=lambda c: (c["tenants"], c["skewed"])):
        table.add_row(
            f"{cell['tenants']:,}",
            "skewed" if cell["skewed"] else "even",
            cell["layout"],
            cell["state"],
            *(_times(cell["kinds"][kind]) for kind in cell["kinds"]),
            f"{cell['kinds']['dense top-10']['recall']['all']:.4f}",
            f"{cell['searched_mb']['own']:,.0f}",
            f"{cell['searched_mb']['files']:,.0f}",
            f"{cell['built']['disk_mb']:,.0f}",
            f"{cell['built']['seconds']:,.1f}",
        )
    return table


def _duels(duels: list[dict[str, Any]]) -> Table:
    few, many = duels[0]["few"], duels[0]["many"]
    table = _table(
        f"{many['tenants']:,} tenants against {few['tenants']:,}, "
        f"each of {few['chunks'] // few['tenants']} chunks, searched in turn",
        ("state", "search", "few", "many"),
        ("p50 ratio", "p99 ratio", "of rounds", "p99, fastest", "few / few, p99"),
    )
    for duel in duels:
        for kind, figures in duel["kinds"].items():
            p50, p99 = figures["ratio"]["p50"], figures["ratio"]["p99"]
            table.add_row(
                duel["state"],
                kind,
                _times(figures["few"]),
                _times(figures["many"]),
                f"{p50['all']:.2f}",
                f"{p99['all']:.2f}",
                f"{min(p99['rounds']):.2f} – {max(p99['rounds']):.2f}",
                f"{figures['fastest']['p99']:.2f}",
                f"{p99['noise']:.2f}",
            )
    return table


def _crowds(crowds: list[dict[str, Any]]) -> Table:
    keys = ("open_ms", "own_mb", "files_mb", "disk_mb", "threads", "descriptors", "mappings")
    table = _table(
        "A shard per tenant, 100 chunks each: what each open shard costs",
        ("shards", "state"),
        ("open ms", "own MB", "files MB", "disk MB", "threads", "descriptors", "mappings"),
    )
    for crowd in crowds:
        table.add_row(str(crowd["shards"]), crowd["state"], *(f"{crowd[key]:.1f}" for key in keys))
    return table


def _table(title: str, names: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in names:
        table.add_column(name)
    for number in numbers:
        table.add_column(number, justify="right")
    return table


def _times(figures: dict[str, Any]) -> str:
    return " / ".join(_short(figures[key]) for key in ("p50_ms", "p99_ms"))


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"
