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
        rules, *turns = build(replace(request, passages=()))
        repeated = [rules.content]
        repeated += (source(number, each) for number, each in enumerate(request.passages, start=1))
        return sum(map(self._remembered, repeated)) + sum(
            self._count(turn.content) for turn in turns
        )
