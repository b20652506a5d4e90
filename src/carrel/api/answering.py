"""What the native and the OpenAI-compatible routes share of an answer's way out."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from fastapi import Request
from starlette.requests import ClientDisconnect

from carrel.answering.events import Done, Placed, Restart, Sources, placed
from carrel.answering.pipeline import Pipeline
from carrel.answering.question import Question
from carrel.answering.reuse import Lookup
from carrel.api.dependencies import TenantCaller
from carrel.api.event_stream import until_disconnect
from carrel.domain.answer import Answer
from carrel.domain.ids import AnswerId
from carrel.limits.ticket import Ticket
from carrel.telemetry import trace
from carrel.telemetry.redaction import redacted
from carrel.telemetry.stages import Stages

Events = AsyncGenerator[Placed]

content_log = logging.getLogger("carrel.content")


class Stream(NamedTuple):
    """An answer on its way, and the id that it has from the start."""

    answer_id: AnswerId
    events: Events


async def ask(
    pipeline: Pipeline,
    question: Question,
    ticket: Ticket,
    stages: Stages,
    lookup: Lookup | None = None,
) -> Answer | Stream:
    """The answer, where it was given before; else its events, as they come.

    Admitted by *ticket* for the tokens that it may take: none, where it is there already.
    *lookup* is what was looked up already. A fault before the first event is still an HTTP status.
    """
    if lookup is None:
        lookup = await pipeline.look_up(question, stages)
    if lookup and lookup.entry and lookup.holds:
        await ticket.admit()
        return await pipeline.give_again(question, lookup.entry, stages)
    pipeline.check_room(question, lookup)
    await ticket.admit(pipeline.tokens_at_most(question))
    first, events = await started(pipeline.answer(question, stages, lookup), afresh=True)
    assert first is not None
    assert isinstance(first.event, Sources)
    return Stream(first.event.answer_id, events)


async def started(events: Events, *, afresh: bool = False) -> tuple[Placed | None, Events]:
    """The first of *events*, or None, and all of them: a fault before it is an HTTP status.

    Who reads *afresh* has nothing to forget, and is not told that an answer was begun again
    because the process that made it for everyone was killed before its first word.
    """
    first = await anext(events, None)
    while afresh and first is not None and isinstance(first.event, Restart):
        first = await anext(events, None)

    async def all_events() -> Events:
        async with aclosing(events):
            if first is not None:
                yield first
            async for event in events:
                yield event

    return first, all_events()


async def collect(found: Answer | Stream, request: Request) -> Answer:
    """The finished answer. A client that leaves before it is one that reads no more.

    Raises:
        ClientDisconnect: it did.
    """
    if isinstance(found, Answer):
        return found
    collecting = asyncio.ensure_future(_last_of(found.events))
    leaving = asyncio.ensure_future(until_disconnect(request.receive))
    try:
        await asyncio.wait({collecting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not collecting.done():
            raise ClientDisconnect
        return collecting.result()
    finally:
        for task in (collecting, leaving):
            task.cancel()
        await asyncio.gather(collecting, leaving, return_exceptions=True)


async def _last_of(events: Events) -> Answer:
    async with aclosing(events):
        async for event, _ in events:
            if isinstance(event, Done):
                return event.answer
    raise AssertionError("a pipeline ends in Done or raises")


def following(found: Answer | Stream) -> Stream:
    """The events of an answer, whether or not it is there already."""
    return Stream(found.id, _given(found)) if isinstance(found, Answer) else found


async def _given(answer: Answer) -> Events:
    for event in placed(answer):
        yield event


def stages_of(request: Request) -> Stages:
    """The stages of an answer, which the request's log line will show however it ends."""
    return request.scope["state"].setdefault("stages", Stages())


def log_content(caller: TenantCaller, question: str, answer: Answer) -> None:
    """A log line, and a part of the trace, with question and answer, redacted, if asked for."""
    if caller.log_content:
        fields = {
            "request_id": caller.request_id,
            "tenant_id": caller.tenant_id,
            "question": redacted(question),
            "answer": redacted(answer.text),
        }
        content_log.info("content", extra={"carrel": fields})
        trace.whole().set(question=fields["question"], answer=fields["answer"])
