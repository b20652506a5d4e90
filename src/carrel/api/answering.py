"""What the native and the OpenAI-compatible routes share of an answer's way out."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import Request

from carrel.answering.events import Done, Event, events_of
from carrel.answering.pipeline import Pipeline
from carrel.answering.question import Question
from carrel.api.dependencies import TenantCaller
from carrel.domain.answer import Answer
from carrel.limits.ticket import Ticket
from carrel.telemetry.redaction import redacted
from carrel.telemetry.stages import Stages

Events = AsyncGenerator[Event]

content_log = logging.getLogger("carrel.content")


async def ask(
    pipeline: Pipeline, question: Question, ticket: Ticket, stages: Stages
) -> Answer | Events:
    """The answer, where it was given before; else its events, as they come.

    Admitted by *ticket* for the tokens that it may take: none, where it is there already.
    A fault before the first event is still an HTTP status.
    """
    lookup = await pipeline.look_up(question, stages)
    if lookup and lookup.entry and lookup.holds:
        await ticket.admit()
        return await pipeline.give_again(question, lookup.entry, stages)
    pipeline.check_room(question, lookup)
    await ticket.admit(pipeline.tokens_at_most(question))
    return await _started(pipeline.answer(question, stages, lookup))


async def _started(events: AsyncGenerator[Event]) -> Events:
    """*events*, once the first has come: a fault before it is still an HTTP status."""
    first = await anext(events)

    async def all_events() -> Events:
        async with aclosing(events):
            yield first
            async for event in events:
                yield event

    return all_events()


async def collect(events: Answer | Events) -> Answer:
    """The finished answer."""
    if isinstance(events, Answer):
        return events
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                return event.answer
    raise AssertionError("a pipeline ends in Done or raises")


async def following(events: Answer | Events) -> Events:
    """The events of an answer, whether or not it is there already."""
    if isinstance(events, Answer):
        for event in events_of(events):
            yield event
        return
    async with aclosing(events):
        async for event in events:
            yield event


def stages_of(request: Request) -> Stages:
    """The stages of an answer, which the request's log line will show however it ends."""
    stages = request.state.stages = Stages()
    return stages


def log_content(caller: TenantCaller, question: str, answer: Answer) -> None:
    """A log line with the question and the answer, redacted, if the tenant asked for it."""
    if caller.log_content:
        fields = {
            "request_id": caller.request_id,
            "tenant_id": caller.tenant_id,
            "question": redacted(question),
            "answer": redacted(answer.text),
        }
        content_log.info("content", extra={"carrel": fields})
