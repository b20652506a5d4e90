"""Answers that several callers read, with generations in memory."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from carrel.answering.events import Delta, Done, Event, Placed, Sources
from carrel.answering.question import Question
from carrel.answering.shared import AnswerCutOff, SharedAnswers
from carrel.domain.answer import Answer, TokenUsage
from carrel.domain.errors import BudgetExhausted, NotFound, Unavailable
from carrel.domain.ids import AnswerId, KeyId, RequestId, TenantId
from carrel.generations.events import START, Offset
from carrel.generations.memory import MemoryGenerations
from carrel.telemetry.stages import Stages

TENANT = TenantId("ten_a")


class Ledger:
    """Takes anything."""

    def record(self, event: object) -> None:
        """Forget it."""


def question(text: str = "How long?") -> Question:
    return Question(
        tenant_id=TENANT,
        key_id=KeyId("key_a"),
        request_id=RequestId("req_a"),
        route="/v1/query",
        text=text,
        top_k=8,
        max_tokens=100,
        resumable=True,
    )


async def written(answer_id: AnswerId) -> AsyncGenerator[Event]:
    yield Sources((), answer_id)
    for text in ("30 ", "days"):
        yield Delta(text)
    yield Done(Answer(answer_id, "30 days", "m", "stop", (), (), TokenUsage()))


async def unpaid(answer_id: AnswerId) -> AsyncGenerator[Event]:
    yield Sources((), answer_id)
    raise BudgetExhausted("no more", scope="key:key_a", period_end=datetime.now(UTC))


async def unending(answer_id: AnswerId) -> AsyncGenerator[Event]:
    yield Sources((), answer_id)
    await asyncio.Event().wait()


async def seen(_: Sources) -> None:
    pass


async def gone(_: Sources) -> None:
    raise NotFound("gone")


@pytest.fixture
def shared() -> SharedAnswers:
    return SharedAnswers(MemoryGenerations(), cast("Any", Ledger()), model="m")


async def begun(shared: SharedAnswers, produce: Any, upto: int) -> list[Placed]:
    """The first events of an answer whose only reader then leaves."""
    stream = shared.events(question(), "name", produce, Stages())
    found = [await anext(stream) for _ in range(upto)]
    await stream.aclose()
    return found


def id_of(events: list[Placed]) -> AnswerId:
    assert isinstance(events[0].event, Sources)
    return events[0].event.answer_id


async def test_nothing_is_given_that_may_not_be_seen(shared: SharedAnswers):
    answer_id = id_of(await begun(shared, written, 3))
    resumed = shared.resumed(question(), answer_id, written, after=Offset(1, 2), check=gone)
    with pytest.raises(NotFound):
        await anext(resumed)


async def test_what_was_asked_is_known_until_it_is_forgotten(shared: SharedAnswers):
    answer_id = id_of(await begun(shared, written, 1))
    asked = await shared.asked(TENANT, answer_id)
    assert asked is not None
    assert asked.text == "How long?"
    assert await shared.asked(TenantId("ten_b"), answer_id) is None
    assert await shared.asked(TENANT, AnswerId("ans_x")) is None


async def test_an_answer_whose_asker_could_not_pay_is_not_written_for_who_resumes(
    shared: SharedAnswers,
):
    stream = shared.events(question(), "name", unpaid, Stages())
    answer_id = id_of([await anext(stream)])
    with pytest.raises(BudgetExhausted):
        await anext(stream)
    resumed = shared.resumed(question(), answer_id, written, after=START, check=seen)
    assert isinstance((await anext(resumed)).event, Sources)
    with pytest.raises(Unavailable, match="ask again"):
        await anext(resumed)


async def test_readers_of_a_server_that_closes_are_told_that_they_can_go_on():
    generations = MemoryGenerations()
    shared = SharedAnswers(generations, cast("Any", Ledger()), model="m")
    stream = shared.events(question(), "name", unending, Stages())
    await anext(stream)
    closing = asyncio.create_task(generations.close())
    with pytest.raises(AnswerCutOff, match="closing"):
        await anext(stream)
    await closing
