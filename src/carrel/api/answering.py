"""What the native and the OpenAI-compatible routes share of an answer's way out."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import Request

from carrel.answering.events import Done, Event
from carrel.api.dependencies import TenantCaller
from carrel.domain.answer import Answer
from carrel.telemetry.redaction import redacted
from carrel.telemetry.stages import Stages

content_log = logging.getLogger("carrel.content")


async def start(events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    """*events*, once the first has come: a fault before it is still an HTTP status."""
    first = await anext(events)

    async def all_events() -> AsyncGenerator[Event]:
        async with aclosing(events):
            yield first
            async for event in events:
                yield event

    return all_events()


async def collect(events: AsyncGenerator[Event]) -> Answer:
    """The finished answer."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                return event.answer
    raise AssertionError("a pipeline ends in Done or raises")


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
