"""Answers without a model: the sentences that answer best, word for word, each with its mark.

The same question over the same passages gives the same answer.
"""

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import lru_cache

from carrel.embedding.embedder import Embedder
from carrel.embedding.sparse import Bm25Encoder
from carrel.generation.candidates import Pick
from carrel.generation.generator import Delta, Finish, GenerationRequest
from carrel.generation.selection import select

MODEL = "extractive"
NOTHING_TO_QUOTE = "The passages that were found hold no sentence to quote."
_STOP = re.compile(r"[.!?。][\"'”’»)\]]*$")
_FULL_STOP = re.compile(r"(?<=[^.!?…\s])[.!?。]$")
# A quoted text's own footnotes would be taken for this answer's sources.
_FOREIGN_MARK = re.compile(r"\s?\[\d{1,3}(?:,\s*\d{1,3})*\]")
# A sentence of a passage further down is not quoted; it ranks too low to be worth reading.
_READ = 8


class ExtractiveGenerator:
    """A `Generator` that quotes. Tokens are counted by the embedder's tokenizer.

    *encoder* gives the stemmer of a question's language.
    """

    def __init__(self, embedder: Embedder, encoder: Callable[[str], Bm25Encoder]) -> None:
        self._encoder = encoder
        self._count = lru_cache(maxsize=4096)(embedder.count_tokens)

    @property
    def model(self) -> str:
        return MODEL

    @property
    def models(self) -> tuple[str, ...]:
        return (MODEL,)

    @property
    def prompts_at_most(self) -> int:
        return 1

    def prompt_tokens(self, request: GenerationRequest) -> int:
        passages = request.passages[:_READ]
        question = request.standalone or request.question
        return self._count(question) + sum(self._count(each.text) for each in passages)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Delta | Finish]:
        """A delta for each quoted sentence, then the `Finish`."""
        written = 0
        cut = False
        passages = request.passages[:_READ]
        question = request.standalone or request.question
        bm25 = self._encoder(question)
        for piece in compose(select(question, passages, bm25.terms, bm25.synonyms)):
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
            prompt_tokens=self.prompt_tokens(request),
            completion_tokens=written,
        )

    async def close(self) -> None:
        """Nothing to release."""

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
        before = picks[position - 1]
        flowing = before.sentence.kind == pick.sentence.kind == "prose"
        gap = " " if flowing and _STOP.search(before.text) else "\n"
        pieces.append((gap if position else "") + _marked(pick.text, pick.passage + 1))
    return pieces


def _marked(text: str, number: int) -> str:
    text = _FOREIGN_MARK.sub("", text)
    stop = _FULL_STOP.search(text)
    if stop is None:
        return f"{text} [{number}]"
    return f"{text[: stop.start()]} [{number}]{stop[0]}"
