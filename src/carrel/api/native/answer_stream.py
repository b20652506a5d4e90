"""An answer as server-sent events, each with an id after which the stream can be resumed.

Ids are whole numbers that rise within a stream: 1, 2, 3 and so on at the first attempt at an
answer, a million on at each other. What was sent at once has the last one's. An error has half a
million more than the event before it, which is where it leaves off.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import orjson
from fastapi import Request

from carrel.answering.events import Done, Event, Placed, Restart, Sources, placed
from carrel.answering.shared import AnswerCutOff
from carrel.api import wire
from carrel.api.answering import stages_of
from carrel.api.errors import describe
from carrel.api.event_stream import frame
from carrel.domain.answer import Answer
from carrel.domain.errors import InvalidRequest
from carrel.domain.ids import AnswerId
from carrel.generations.events import START, Offset
from carrel.telemetry.stages import Stages

_ATTEMPT = 1_000_000
_ERROR = 500_000  # more than the events of an attempt can be, by their bytes
_LONGEST = 19  # digits


def number_of(place: Offset) -> int:
    """The id of the event in that *place*."""
    return _swapped(place.attempt) * _ATTEMPT + place.number


def place_of(last_event_id: str) -> Offset:
    """The place of the event that has the id, or of the last before an error that has.

    Raises:
        InvalidRequest: no event has.
    """
    digits = last_event_id
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST):
        raise InvalidRequest("no event has that id", param="last-event-id")
    block, number = divmod(int(digits), _ATTEMPT)
    return Offset(_swapped(block), number % _ERROR)


def _swapped(attempt: int) -> int:
    # A kept answer has attempt 0, and is not what was written at the first: in another block.
    return attempt if attempt > 1 else 1 - attempt


def whole_stream(answer: Answer, stages: Stages) -> bytes:
    """All frames of an answer that is there already."""
    return b"".join(_frame(event, place, stages) for event, place in placed(answer))


class AnswerStream:
    """The frames of one answer; *done* is called with the answer when it is finished."""

    def __init__(
        self,
        answer_id: AnswerId,
        events: AsyncGenerator[Placed],
        request: Request,
        *,
        done: Callable[[Answer], None] | None = None,
        after: Offset = START,
    ) -> None:
        self._answer_id = answer_id
        self._events = events
        self._request = request
        self._stages = stages_of(request)
        self._done = done
        self._last = after

    async def frames(self) -> AsyncGenerator[bytes]:
        async with aclosing(self._events):
            try:
                async for event, place in self._events:
                    if isinstance(event, Sources):
                        self._answer_id = event.answer_id
                    elif isinstance(event, Done) and self._done:
                        self._done(event.answer)
                    self._last = place
                    yield _frame(event, place, self._stages)
            except AnswerCutOff as error:
                yield self.cut_off(describe(error, self._request))
            except Exception as error:  # noqa: BLE001 - the stream has begun: say it there
                yield self._error(describe(error, self._request))

    def cut_off(self, body: dict[str, Any]) -> bytes:
        """The last event of a stream whose answer goes on elsewhere: the error *body*, and how."""
        resume = {
            "url": f"/v1/query/{self._answer_id}/events",
            "last_event_id": str(number_of(self._last)),
        }
        return self._error({**body, "resume": resume})

    def _error(self, body: dict[str, Any]) -> bytes:
        return frame(orjson.dumps(body), event="error", number=number_of(self._last) + _ERROR)


def _frame(event: Event, place: Offset, stages: Stages) -> bytes:
    name, data = _named(event, stages)
    return frame(orjson.dumps(data), event=name, number=number_of(place))


def _named(event: Event, stages: Stages) -> tuple[str, Any]:
    if isinstance(event, Sources):
        passages = [wire.source(passage) for passage in event.passages]
        return "sources", {"id": event.answer_id, "sources": passages}
    if isinstance(event, Restart):
        return "restart", {}
    if isinstance(event, Done):
        return "done", wire.answer(event.answer, stages)
    return "delta", {"text": event.text}
