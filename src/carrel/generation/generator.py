"""The port through which answers are written, by a model or without one."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from carrel.domain.answer import Message
from carrel.domain.document import Passage


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What is to be answered, and from what.

    `passages` are ordered best first; source numbers count them from 1.
    `history` holds the earlier turns of the conversation, oldest first; `standalone` is the
    question with what it takes from them, for a generator that does not read them.
    """

    question: str
    passages: Sequence[Passage]
    max_tokens: int
    model: str | None = None
    history: Sequence[Message] = ()
    standalone: str | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer's text."""

    text: str


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
        """The model used where the request names none."""
        ...

    def prompt_tokens(self, request: GenerationRequest) -> int:
        """How many tokens the model will read: rules, sources, conversation and question.

        Counted here, so an upstream's own report may differ by some percent.
        """
        ...

    def generate(self, request: GenerationRequest) -> AsyncGenerator[Delta | Finish]:
        """Deltas as they are written, then exactly one `Finish`.

        Closing the generator early stops the work upstream.

        Raises:
            GenerationFailed: the upstream refused, failed or stalled.
        """
        ...

    async def close(self) -> None:
        """Release connections; generations under way are cut."""
        ...
