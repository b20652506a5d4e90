"""The report of a load test: one HTML file with its plots, for people."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_STYLE = """
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1a2430; max-width: 1120px;
  margin: 40px auto; padding: 0 24px }
h1 { font-size: 26px; margin: 0 0 4px }
h2 { font-size: 18px; margin: 36px 0 10px }
p { margin: 4px 0; color: #46525f }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; margin: 22px 0 }
.tile { border: 1px solid #dde3ea; border-radius: 8px; padding: 12px 14px }
.tile b { display: block; font-size: 24px }
.tile span { font-size: 13px; color: #5b6773 }
.bad b { color: #b3261e }
.good b { color: #00704a }
.plots { display: grid; grid-template-columns: 1fr 1fr; gap: 20px }
.plots svg { width: 100%; height: auto }
table { border-collapse: collapse; width: 100%; font-size: 14px }
td, th { padding: 4px 10px; border-bottom: 1px solid #e6ebf0; text-align: right;
  font-variant-numeric: tabular-nums }
td:first-child, th:first-child { text-align: left }
footer { margin-top: 36px; font-size: 13px; color: #5b6773 }
"""


def write(
    path: Path,
    *,
    title: str,
    said: Sequence[str],
    stages: Sequence[Mapping[str, Any]],
    plots: Sequence[Path],
) -> None:
    """One file: the last stage as tiles, plots, and a table of all stages."""
    last = stages[-1]
    names = dict.fromkeys(name for stage in stages for name in stage)
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(f"<td>{_shown(stage.get(name))}</td>" for stage in stages)
        + "</tr>"
        for name in names
    )
    heads = "".join(f"<th>{stage['users']:,} users</th>" for stage in stages)
    pictures = "".join(f"<div>{_inline(plot)}</div>" for plot in plots)
    path.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
        f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>"
        + "".join(f"<p>{html.escape(line)}</p>" for line in said)
        + f"<div class=tiles>{_tiles(last)}</div>"
        + f"<h2>Over time</h2><div class=plots>{pictures}</div>"
        + f"<h2>Figures</h2><table><tr><th>while users were held</th>{heads}</tr>{rows}</table>"
        + "<footer>Made by <code>make load</code>; how to read it: bench/README.md.</footer>",
        encoding="utf-8",
    )


def _tiles(last: Mapping[str, Any]) -> str:
    foreign = last["another tenant's words"]
    tiles = [
        (f"{last['users']:,}", "users", ""),
        (f"{last['questions/s']:,.0f}/s", "questions", ""),
        (f"{last['streams open, mean']:,}", "answers under way, mean", ""),
        (_ms(last, "added to first token, miss, p50 ms"), "added to first token, p50", ""),
        (_ms(last, "added to first token, miss, p99 ms"), "added to first token, p99", ""),
        (f"{last['hit rate']:.0%}", "given from a cache", ""),
        (f"{last['error rate']:.2%}", "faults", "bad" if last["error rate"] > 0.001 else "good"),
        (f"{foreign}", "with another tenant's words", "bad" if foreign else "good"),
    ]
    return "".join(
        f"<div class='tile {kind}'><b>{value}</b><span>{label}</span></div>"
        for value, label, kind in tiles
    )


def _ms(figures: Mapping[str, Any], name: str) -> str:
    value = figures.get(name)
    return "–" if value is None else f"{value:,.1f} ms"


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        pairs = [f"{html.escape(str(name))}: {count:,}" for name, count in value.items()]
        return "<br>".join(pairs) or "none"
    return f"{value:,}" if isinstance(value, int | float) else html.escape(str(value))


def _inline(plot: Path) -> str:
    text = plot.read_text(encoding="utf-8")
    return text[text.index("<svg") :]
