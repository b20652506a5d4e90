"""Outcomes as a table for people, and as JSON to compare later.

Both say plainly which goals were missed, and which could not be held against anything.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.measure import AtMost, Figure, Goal, Outcome
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_outcome(outcome: Outcome, console: Console) -> None:
    """One bench's figures, one a row, with goals and verdicts."""
    table = Table(
        title=f"{outcome.bench.name}: {outcome.bench.what}",
        title_justify="left",
        title_style="bold",
        caption=f"{outcome.seconds:.0f} s",
        caption_justify="left",
    )
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("goal", justify="right")
    table.add_column("", justify="left")
    table.add_column("of which", style="dim")
    for figure in outcome.figures:
        goal = outcome.goal(figure)
        table.add_row(
            figure.name,
            f"{plain(figure.value)} {figure.unit}",
            f"{wording(goal)} {figure.unit}" if goal else "",
            verdict(figure, goal),
            figure.note,
        )
    for name in outcome.unmeasured:
        table.add_row(name, "–", wording(outcome.bench.goals[name]), Text("not measured", "yellow"))
    console.print(table)
    if outcome.error:
        console.print(Text(f"{outcome.bench.name} failed: {outcome.error}", "bold red"))


def print_summary(outcomes: Sequence[Outcome], console: Console) -> None:
    """One line: how many goals there were, and what became of them."""
    goals = sum(len(outcome.bench.goals) for outcome in outcomes)
    missed = [f"{o.bench.name}: {figure.name}" for o in outcomes for figure in o.missed]
    unmeasured = [f"{o.bench.name}: {name}" for o in outcomes for name in o.unmeasured]
    line = f"{goals - len(missed) - len(unmeasured)} of {goals} goals met"
    if missed:
        line += f"; missed: {', '.join(missed)}"
    if unmeasured:
        line += f"; not measured: {', '.join(unmeasured)}"
    console.print(Text(line, "bold yellow" if missed or unmeasured else "bold green"))


def verdict(figure: Figure, goal: Goal | None) -> Text:
    if goal is None:
        return Text("")
    return Text("met", "green") if goal.met(figure.value) else Text("missed", "bold red")


def wording(goal: Goal) -> str:
    return f"{'≤' if isinstance(goal, AtMost) else '≥'} {plain(goal.bound)}"


def plain(value: float) -> str:
    """Three significant digits or all digits before the point, whichever is more."""
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    shown = f"{value:,.{digits}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def as_json(outcomes: Sequence[Outcome], *, quick: bool) -> dict[str, Any]:
    """Everything measured, and on what."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "quick": quick,
        "machine": machine(),
        "benches": [
            {
                "name": outcome.bench.name,
                "seconds": round(outcome.seconds, 1),
                "error": outcome.error or None,
                "unmeasured": outcome.unmeasured,
                "figures": [_figure(outcome, figure) for figure in outcome.figures],
            }
            for outcome in outcomes
        ],
    }


def write_json(report: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """What the figures depend on. A load of more than a few tenths means a shared machine."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "writes_bytecode": not sys.dont_write_bytecode,
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def _figure(outcome: Outcome, figure: Figure) -> dict[str, Any]:
    goal = outcome.goal(figure)
    bound = "at_most" if isinstance(goal, AtMost) else "at_least"
    return {
        "name": figure.name,
        "value": round(figure.value, 4),
        "unit": figure.unit,
        "note": figure.note,
        "goal": {bound: goal.bound} if goal else None,
        "met": goal.met(figure.value) if goal else None,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")


def _commit() -> str | None:
    """The commit of the working tree, with a `+` where it has changes of its own."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
