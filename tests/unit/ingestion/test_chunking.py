import hashlib
from pathlib import Path

import carrel.cli.demo
from carrel.domain.document import ParsedDocument
from carrel.ingestion.chunk import chunk
from carrel.ingestion.chunking import METHOD, chunking

CORPUS = Path(carrel.cli.demo.__file__).parent / "corpus"
# By the method that cut them, where the demo's Markdown documents are cut, as a hash.
CUT = {1: "be56050889ba9183"}


def test_what_is_cut_otherwise_has_another_method():
    """`carrel reindex` finds documents to cut again by their method alone."""
    cuts = [
        (path.name, piece.start, piece.end, piece.heading)
        for path in sorted(CORPUS.rglob("*.md"))
        for piece in chunk(ParsedDocument(path.read_text("utf-8")))
    ]
    assert len(cuts) >= 30
    found = hashlib.sha256(repr(cuts).encode()).hexdigest()[:16]
    assert CUT[METHOD] == found, "raise METHOD, and enter this hash for it"


def test_settings_are_part_of_it():
    assert len({chunking(200, 40), chunking(100, 40), chunking(200, 20)}) == 3
