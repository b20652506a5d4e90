"""How many tokens a prompt has, before it is sent.

The prompt is counted in the pieces that it is built from. Passages come back from
question to question, and a passage of 200 tokens takes 0.2 ms to count: each is
counted once and remembered.
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
        self._count_source = lru_cache(maxsize=REMEMBERED)(count_tokens)

    def of(self, request: GenerationRequest) -> int:
        """The tokens of all messages that `build` makes of *request*."""
        around = build(replace(request, passages=()))
        return sum(self._count(message.content) for message in around) + sum(
            self._count_source(source(number, passage))
            for number, passage in enumerate(request.passages, start=1)
        )
