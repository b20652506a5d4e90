"""Answers without a model: the sentences that answer best, word for word, each with its mark.

The same question over the same passages gives the same answer.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from functools import lru_cache

from carrel.domain.document import Passage
from carrel.embedding.embedder import Embedder
from carrel.embedding.sparse import Bm25Encoder
from carrel.generation.generator import Delta, Finish, GenerationRequest
from carrel.generation.selection import Pick, select

MODEL = "extractive"
NOTHING_TO_QUOTE = "The passages that were found hold no sentence to quote."
_FULL_STOP = re.compile(r"(?<=[^.!?…\s])[.!?。]$")


class ExtractiveGenerator:
    """A `Generator` that quotes. Tokens are counted by the embedder's tokenizer."""

    def __init__(self, embedder: Embedder, bm25: Bm25Encoder) -> None:
        self._terms = bm25.terms
        self._count = lru_cache(maxsize=4096)(embedder.count_tokens)

    @property
    def model(self) -> str:
        return MODEL

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Delta | Finish]:
        """A delta for each quoted sentence, then the `Finish`."""
        written = 0
        cut = False
        for piece in compose(select(request.question, request.passages, self._terms)):
            tokens = self._count(piece)
            if written + tokens > request.max_tokens:
                cut = True
                if written == 0 and (head := self._head(piece, request.max_tokens)):
                    written += self._count(head)
                    yield Delta(head)
                break
            written += tokens
            yield Delta(piece)
        yield Finish(
            finish_reason="length" if cut else "stop",
            model=MODEL,
            prompt_tokens=self._read(request.question, request.passages),
            completion_tokens=written,
        )

    async def close(self) -> None:
        """Nothing to release."""

    def _read(self, question: str, passages: Sequence[Passage]) -> int:
        return self._count(question) + sum(self._count(passage.text) for passage in passages)

    def _head(self, piece: str, limit: int) -> str:
        """As many whole words of *piece* as *limit* tokens allow."""
        words = piece.split(" ")
        low, high = 0, len(words)
        while low < high:
            middle = (low + high + 1) // 2
            if self._count(" ".join(words[:middle])) <= limit:
                low = middle
            else:
                high = middle - 1
        return " ".join(words[:low])


def compose(picks: Sequence[Pick]) -> list[str]:
    """The pieces whose concatenation is the answer: sentences, each marked with its passage."""
    if not picks:
        return [NOTHING_TO_QUOTE]
    pieces: list[str] = []
    for position, pick in enumerate(picks):
        flowing = pick.sentence.kind == "prose" and position > 0
        flowing = flowing and picks[position - 1].sentence.kind == "prose"
        gap = "" if position == 0 else " " if flowing else "\n"
        pieces.append(gap + _marked(pick.text, pick.passage + 1))
    return pieces


def _marked(text: str, number: int) -> str:
    stop = _FULL_STOP.search(text)
    if stop is None:
        return f"{text} [{number}]"
    return f"{text[: stop.start()]} [{number}]{stop[0]}"
