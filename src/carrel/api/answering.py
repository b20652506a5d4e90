"""What the native and the OpenAI-compatible routes share of an answer's way out."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import Request

from carrel.answering.events import Done, Event
from carrel.domain.answer import Answer
from carrel.telemetry.stages import Stages


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


def account(request: Request, stages: Stages, answer: Answer) -> None:
    """Add to the request's log line what the answer took."""
    log: dict[str, object] = request.state.log
    log.update(
        cache=answer.cache_status,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.usage.prompt_tokens,
        completion_tokens=answer.usage.completion_tokens,
        cost_micro_usd=answer.usage.cost_micro_usd,
        **{f"{stage}_ms": round(spent, 1) for stage, spent in stages.milliseconds.items()},
    )
