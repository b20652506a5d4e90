"""The labelled pairs: a cached question, another one, and whether the answer may be reused.

They are written by hand over the demo's documents and those beside this file. A cached question
with all its pairs is in one half: guards and thresholds are tuned on the first, and
what is reported is the second.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Half = Literal["tuning", "held back"]
SAME = "same"
_PATH = Path(__file__).with_name("questions.jsonl")


@dataclass(frozen=True, slots=True)
class Pair:
    """`kind` is `SAME` where *asked* wants the answer of *cached*; else what makes it another."""

    tenant: str
    cached: str
    asked: str
    kind: str
    half: Half

    @property
    def same(self) -> bool:
        return self.kind == SAME


def pairs(half: Half | None = None) -> list[Pair]:
    """All pairs, or those of one half."""
    found: list[Pair] = []
    for line in _PATH.read_text("utf-8").splitlines():
        entry = json.loads(line)
        kinds = {SAME: entry["same"], **entry["near"]}
        found += [
            Pair(entry["tenant"], entry["cached"], asked, kind, half_of(entry["cached"]))
            for kind, questions in kinds.items()
            for asked in questions
        ]
    return [pair for pair in found if half in {None, pair.half}]


def half_of(cached: str) -> Half:
    """The half that a cached question is in, for ever."""
    first = hashlib.sha256(cached.encode()).digest()[0]
    return "tuning" if first % 2 else "held back"
