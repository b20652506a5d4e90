"""Questions: `/v1/query` and `/v1/search`."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from starlette.types import Message

from carrel.answering.events import Done, Event, Restart, Sources, events_of
from carrel.answering.question import Question
from carrel.answering.reuse import Lookup
from carrel.api import shapes, wire
from carrel.api.answering import ask, collect, following, log_content, stages_of
from carrel.api.dependencies import MayAsk, MaySearch, TenantCaller, services_of
from carrel.api.direct import Direct
from carrel.api.errors import describe
from carrel.api.event_stream import HEADERS as EVENT_STREAM
from carrel.api.event_stream import EventStream, frame
from carrel.api.responses import Json
from carrel.domain.answer import Answer, CacheUse
from carrel.domain.errors import InvalidRequest
from carrel.domain.filter import is_text, parse_filter

MAX_QUESTION = 10_000
MAX_TOP_K = 50
MAX_TOKENS = 8_192

PATH = "/v1/query"  # where questions are asked

router = APIRouter(prefix="/v1", tags=["questions"], route_class=Direct)

Text = Annotated[str, Field(min_length=1, max_length=MAX_QUESTION)]
TopK = Annotated[int, Field(ge=1, le=MAX_TOP_K)]


class QueryBody(BaseModel):
    """A question."""

    model_config = ConfigDict(extra="forbid")

    question: Text
    stream: bool = False
    top_k: TopK = 8
    filter: dict[str, Any] | None = None
    model: str | None = None
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] = 512
    cache: CacheUse = "use"


class SearchBody(BaseModel):
    """A search."""

    model_config = ConfigDict(extra="forbid")

    query: Text
    top_k: TopK = 8
    filter: dict[str, Any] | None = None


@router.post(
    "/query",
    summary="Ask; the answer cites its sources, streamed or whole",
    response_model=shapes.Answer,
)
async def query(body: QueryBody, request: Request, caller: MayAsk) -> Response:
    services = services_of(request)
    question = question_of(body, caller, services.models)
    lookup: Lookup | None = request.scope["state"].get("lookup")
    found = await ask(services.pipeline, question, caller.ticket, stages_of(request), lookup)
    if body.stream:
        return EventStream(_frames(following(found), request, caller, question.text))
    answer = await collect(found)
    log_content(caller, question.text, answer)
    return Json(wire.answer(answer))


def question_of(body: QueryBody, caller: TenantCaller, models: Sequence[str]) -> Question:
    """What *caller* asks, of a server that offers these *models*.

    Raises:
        InvalidRequest: the question is blank, or the filter or the model is wrong.
    """
    if body.model is not None and body.model not in models:
        raise InvalidRequest(f"this server offers: {', '.join(models)}", param="model")
    return Question(
        tenant_id=caller.tenant_id,
        key_id=caller.key_id,
        groups=caller.groups,
        request_id=caller.request_id,
        route=PATH,
        text=meaningful(body.question, "question"),
        top_k=body.top_k,
        max_tokens=body.max_tokens,
        where=parse_filter(body.filter),
        cache=body.cache,
        semantic_cache=caller.semantic_cache,
        isolation=caller.isolation,
        ticket=caller.ticket,
    )


def whole_response(answer: Answer, *, stream: bool) -> list[Message]:
    """The response with an answer that is there already, sent at once."""
    if stream:
        headers = EVENT_STREAM
        content = b"".join(
            _frame(event, number) for number, event in enumerate(events_of(answer), start=1)
        )
    else:
        headers = [(b"content-type", b"application/json")]
        content = orjson.dumps(wire.answer(answer))
    headers = [*headers, (b"content-length", b"%d" % len(content))]
    return [
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": content},
    ]


@router.post("/search", summary="The passages that match best", response_model=shapes.Hits)
async def search(body: SearchBody, request: Request, caller: MaySearch) -> Response:
    retrieval = await services_of(request).searches.search(
        caller.tenant_id,
        meaningful(body.query, "query"),
        top_k=body.top_k,
        where=parse_filter(body.filter),
        groups=caller.groups,
    )
    return Json({"hits": [wire.source(passage) for passage in retrieval.passages]})


def meaningful(text: str, param: str) -> str:
    stripped = text.strip()
    if not stripped:
        raise InvalidRequest(f"{param} is blank", param=param)
    if not is_text(stripped):
        raise InvalidRequest(f"{param} is not valid text", param=param)
    return stripped


async def _frames(
    events: AsyncGenerator[Event], request: Request, caller: TenantCaller, question: str
) -> AsyncGenerator[bytes]:
    number = 0
    async with aclosing(events):
        try:
            async for event in events:
                number += 1
                if isinstance(event, Done):
                    log_content(caller, question, event.answer)
                yield _frame(event, number)
        except Exception as error:  # noqa: BLE001 - the stream has begun: say it there
            body = describe(error, request)
            yield frame(orjson.dumps(body), event="error", number=number + 1)


def _frame(event: Event, number: int) -> bytes:
    name, data = _named(event)
    return frame(orjson.dumps(data), event=name, number=number)


def _named(event: Event) -> tuple[str, Any]:
    if isinstance(event, Sources):
        return "sources", {"sources": [wire.source(passage) for passage in event.passages]}
    if isinstance(event, Restart):
        return "restart", {}
    if isinstance(event, Done):
        return "done", wire.answer(event.answer)
    return "delta", {"text": event.text}
