"""What an answer is made of while it is being written, in order: `Sources`, `Delta`s, `Done`."""

from dataclasses import dataclass

from carrel.domain.answer import Answer
from carrel.domain.document import Passage
from carrel.generation.generator import Delta


@dataclass(frozen=True, slots=True)
class Sources:
    """The passages that the answer is written from."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """The finished answer."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Restart:
    """What was given so far is void: the answer is begun again, and may differ."""


Event = Sources | Delta | Restart | Done


def events_of(answer: Answer) -> tuple[Event, ...]:
    """The events of an answer that is there already."""
    return Sources(answer.sources), Delta(answer.text), Done(answer)
