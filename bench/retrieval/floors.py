"""Floors: what quality must not fall below, a few points under what was measured.

`at_least` for what should be high, `at_most` for wrong refusals and length.
"""

import json
from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).with_name("floors.json")


def broken(figures: Mapping[str, float]) -> list[str]:
    """A line for each floor that *figures* do not hold, or do not name."""
    floors: dict[str, dict[str, float]] = json.loads(FILE.read_text("utf-8"))
    lines: list[str] = []
    for bound, wanted in floors.items():
        for name, value in wanted.items():
            found = figures.get(name)
            holds = found is not None and (
                found >= value if bound == "at_least" else found <= value
            )
            if not holds:
                shown = "not measured" if found is None else f"{found:.4f}"
                lines.append(f"{name}: {shown}, {bound.replace('_', ' ')} {value}")
    return lines
