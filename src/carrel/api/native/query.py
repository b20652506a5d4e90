"""Questions: `/v1/query` and `/v1/search`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from carrel.answering.events import Done, Event, Restart, Sources
from carrel.answering.question import Question
from carrel.api import shapes, wire
from carrel.api.answering import ask, collect, following, log_content, stages_of
from carrel.api.dependencies import MayAsk, MaySearch, TenantCaller, services_of
from carrel.api.direct import Direct
from carrel.api.errors import describe
from carrel.api.event_stream import EventStream, frame
from carrel.api.responses import Json
from carrel.domain.answer import CacheUse
from carrel.domain.errors import InvalidRequest
from carrel.domain.filter import is_text, parse_filter

MAX_QUESTION = 10_000
MAX_TOP_K = 50
MAX_TOKENS = 8_192

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
    if body.model not in (None, *services.models):
        raise InvalidRequest(f"this server offers: {', '.join(services.models)}", param="model")
    question = Question(
        tenant_id=caller.tenant_id,
        key_id=caller.key_id,
        groups=caller.groups,
        request_id=caller.request_id,
        route="/v1/query",
        text=meaningful(body.question, "question"),
        top_k=body.top_k,
        max_tokens=body.max_tokens,
        where=parse_filter(body.filter),
        cache=body.cache,
        semantic_cache=caller.semantic_cache,
        ticket=caller.ticket,
    )
    found = await ask(services.pipeline, question, caller.ticket, stages_of(request))
    if body.stream:
        return EventStream(_frames(following(found), request, caller, question.text))
    answer = await collect(found)
    log_content(caller, question.text, answer)
    return Json(wire.answer(answer))


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
                name, data = _named(event)
                if isinstance(event, Done):
                    log_content(caller, question, event.answer)
                yield frame(orjson.dumps(data), event=name, number=number)
        except Exception as error:  # noqa: BLE001 - the stream has begun: say it there
            body = describe(error, request)
            yield frame(orjson.dumps(body), event="error", number=number + 1)


def _named(event: Event) -> tuple[str, Any]:
    if isinstance(event, Sources):
        return "sources", {"sources": [wire.source(passage) for passage in event.passages]}
    if isinstance(event, Restart):
        return "restart", {}
    if isinstance(event, Done):
        return "done", wire.answer(event.answer)
    return "delta", {"text": event.text}
