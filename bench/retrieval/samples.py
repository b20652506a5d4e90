"""Questions about the demo's two companies, and whether an answer holds what it must.

They are written by hand: as the documents put it, about a row or a whole list, in other
words than the text's, and some that nothing answers.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import carrel.cli.demo

CORPUS = Path(carrel.cli.demo.__file__).parent / "corpus"
TENANTS = ("acme", "globex")


@dataclass(frozen=True, slots=True)
class Sample:
    """A question of one company; an answer is right that holds all of `contains`."""

    tenant: str
    kind: str
    question: str
    contains: Sequence[str]

    def right(self, answer: str) -> bool:
        return all(each.casefold() in answer.casefold() for each in self.contains)


def samples() -> list[Sample]:
    """All of them; of kind `unanswerable` are those without an answer."""
    written = json.loads(Path(__file__).with_name("samples.json").read_text("utf-8"))
    asked = [
        Sample(each["tenant"], each["kind"], each["question"], tuple(each["contains"]))
        for each in written["asked"]
    ]
    return asked + [
        Sample(each["tenant"], "unanswerable", each["question"], ())
        for each in written["unanswerable"]
    ]
