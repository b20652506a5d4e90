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


async def texts_of() -> dict[str, dict[str, str]]:
    """The text of each document, by tenant and title, as the product reads it."""
    from carrel.ingestion.parse.detect import detect
    from carrel.ingestion.parse.parser import Parser

    parser = Parser()
    found: dict[str, dict[str, str]] = {}
    for tenant in TENANTS:
        found[tenant] = {}
        for path in sorted((CORPUS / tenant).iterdir()):
            media_type = detect(path.name, None, path.read_bytes())
            parsed = await parser.parse(path, media_type)
            found[tenant][parsed.document.title or path.stem] = parsed.document.text
    await parser.close()
    return found


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
