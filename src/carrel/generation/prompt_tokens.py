"""How many tokens a prompt has, before it is sent.

The prompt is counted in the pieces that it is built from. Rules and passages come
back from question to question, and a passage of 200 tokens takes 0.2 ms to count:
each is counted once and remembered.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from carrel.generation.generator import GenerationRequest
from carrel.generation.prompt import build, source

REMEMBERED = 4_096  # passages, of about 1 kB each


class PromptTokens:
    """Counts with *count_tokens*, the embedder's: a model's own tokenizer is rarely at hand."""

    def __init__(self, count_tokens: Callable[[str], int]) -> None:
        self._count = count_tokens
        self._remembered = lru_cache(maxsize=REMEMBERED)(count_tokens)

    def of(self, request: GenerationRequest) -> int:
        """The tokens of all messages that `build` makes of *request*."""
        rules, *turns = build(replace(request, passages=(), question=""))
        # A source takes as many tokens in another place whose number has as many digits.
        repeated = [source(_as_long(n), each) for n, each in enumerate(request.passages, start=1)]
        own = [request.question]
        (own if request.history else repeated).extend(turn.content for turn in turns)
        counted = sum(map(self._remembered, (rules.content, *repeated)))
        return counted + sum(map(self._count, own))


def _as_long(number: int) -> int:
    return 10 ** (len(str(number)) - 1)
