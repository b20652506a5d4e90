from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, cast

from carrel.answering.events import Placed, Restart, Sources
from carrel.api.answering import Stream, ask
from carrel.domain.ids import AnswerId
from carrel.generation.generator import Delta
from carrel.telemetry.stages import Stages

SOURCES = Sources((), AnswerId("ans_1"))


class Begun:
    """A pipeline whose answer was begun again before anyone had read of it."""

    def __init__(self, *events: Any) -> None:
        self._events = events

    async def look_up(self, question: Any, stages: Any) -> None:
        return None

    def check_room(self, question: Any, lookup: Any) -> None:
        return None

    def tokens_at_most(self, question: Any) -> int:
        return 1

    async def answer(self, *_: Any) -> AsyncGenerator[Placed]:
        for event in self._events:
            yield Placed(event)


async def admit(tokens: int) -> None:
    assert tokens == 1


async def events_of(*events: Any) -> list[Any]:
    pipeline, ticket = cast("Any", Begun(*events)), cast("Any", SimpleNamespace(admit=admit))
    found = await ask(pipeline, cast("Any", None), ticket, Stages())
    assert isinstance(found, Stream)
    assert found.answer_id == "ans_1"
    return [event async for event, _ in found.events]


async def test_who_has_read_nothing_is_not_told_to_forget_it():
    assert await events_of(Restart(), Restart(), SOURCES, Delta("a")) == [SOURCES, Delta("a")]


async def test_who_has_read_something_is():
    whole = [SOURCES, Delta("a"), Restart(), SOURCES, Delta("b")]
    assert await events_of(*whole) == whole
