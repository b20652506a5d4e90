"""Hits and passages for tests, with no more said than a test is about."""

from carrel.domain.document import Passage
from carrel.domain.ids import ChunkId, DocumentId
from carrel.vectors.store import Hit


def hit(name: str, score: float) -> Hit:
    return Hit(ChunkId(name), score)


def passage(
    text: str, *, cosine: float | None = None, title: str = "", heading: str = "", score: float = 0
) -> Passage:
    return Passage(
        ChunkId(text), DocumentId("doc_1"), 1, title, text, 0, len(text), heading, None, "", score,
        cosine,
    )  # fmt: skip
