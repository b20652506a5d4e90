"""What an answer is made of while it is being written, in order: `Sources`, `Delta`s, `Done`."""

from dataclasses import dataclass
from typing import NamedTuple

from carrel.domain.answer import Answer
from carrel.domain.document import Passage
from carrel.domain.ids import AnswerId
from carrel.generation.generator import Delta
from carrel.generations.events import START, Offset


@dataclass(frozen=True, slots=True)
class Sources:
    """The passages that the answer is written from, and the id that it will have."""

    passages: tuple[Passage, ...]
    answer_id: AnswerId


@dataclass(frozen=True, slots=True)
class Done:
    """The finished answer."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Restart:
    """What was given so far is void: the answer is begun again, and may differ."""


Event = Sources | Delta | Restart | Done


class Placed(NamedTuple):
    """An event, and its place in the answer's stream, after which that can be resumed."""

    event: Event
    offset: Offset = START


def events_of(answer: Answer) -> tuple[Event, ...]:
    """The events of an answer that is there already."""
    return Sources(answer.sources, answer.id), Delta(answer.text), Done(answer)


def placed(answer: Answer, attempt: int = 0) -> tuple[Placed, ...]:
    """The events of an answer that is there already, in their places.

    No generation has an attempt 0: whoever read so far of a kept answer is known by it.
    """
    events = enumerate(events_of(answer), start=1)
    return tuple(Placed(event, Offset(attempt, number)) for number, event in events)
