"""The port through which answers are written, by a model or without one."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, Protocol

from carrel.domain.answer import Message
from carrel.domain.document import Passage


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What is to be answered, and from what.

    `passages` are ordered best first; source numbers count them from 1.
    `history` holds the earlier turns of the conversation, oldest first; `standalone` is the
    question with what it takes from them, for a generator that does not read them.
    `deadline` is when the answer must be whole, in the event loop's time.
    """

    question: str
    passages: Sequence[Passage]
    max_tokens: int
    model: str | None = None
    history: Sequence[Message] = ()
    standalone: str | None = None
    deadline: float = inf


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Asking:
    """*model* is asked from now on, in place of the one before, which gave no word.

    *charged*: the one before may charge for the prompt all the same.
    """

    model: str
    charged: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an answer. Token counts are the generator's own report."""

    finish_reason: Literal["stop", "length"]
    model: str
    prompt_tokens: int
    completion_tokens: int


class Generator(Protocol):
    """Writes an answer that cites its sources as `[n]`."""

    @property
    def model(self) -> str:
        """The model that is asked first where the request names none."""
        ...

    @property
    def models(self) -> tuple[str, ...]:
        """All that may write an answer where the request names none; `model` is the first."""
        ...

    @property
    def prompts_at_most(self) -> int:
        """How often a prompt may be charged for one answer: failed attempts may be, too."""
        ...

    def prompt_tokens(self, request: GenerationRequest) -> int:
        """How many tokens the model will read: rules, sources, conversation and question.

        Counted here, so an upstream's own report may differ by some percent.
        """
        ...

    def generate(self, request: GenerationRequest) -> AsyncGenerator[Asking | Delta | Finish]:
        """Deltas as they are written, then exactly one `Finish`.

        `Asking` comes before the first of them, and only where it is not the model that the
        request names, or `model`, that is asked, or not at the first attempt.

        Closing the generator early stops the work upstream.

        Raises:
            GenerationFailed: the upstream refused, failed or stalled.
        """
        ...

    async def close(self) -> None:
        """Release connections; generations under way are cut."""
        ...
