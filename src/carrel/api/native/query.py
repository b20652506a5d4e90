"""Questions: `/v1/query` and `/v1/search`."""

from functools import partial
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from starlette.types import Message

from carrel.answering.question import Question
from carrel.answering.reuse import Lookup
from carrel.api import shapes, wire
from carrel.api.answering import ask, collect, following, log_content, stages_of
from carrel.api.dependencies import MayAsk, MaySearch, TenantCaller, services_of
from carrel.api.direct import Direct
from carrel.api.event_stream import HEADERS as EVENT_STREAM
from carrel.api.event_stream import EventStream
from carrel.api.native.answer_stream import AnswerStream, whole_stream
from carrel.api.responses import Json
from carrel.domain.answer import Answer, CacheUse
from carrel.domain.errors import InvalidRequest
from carrel.domain.filter import is_text, parse_filter
from carrel.domain.ids import AnswerId
from carrel.lately import Lately
from carrel.services import Services
from carrel.telemetry.stages import Stages

MAX_QUESTION = 10_000
MAX_TOP_K = 50
MAX_TOKENS = 8_192

PATH = "/v1/query"  # where questions are asked

_contents: Lately[tuple[AnswerId, str], bytes] = Lately()

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
    on_disconnect: Literal["cancel", "detach"] = "cancel"


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
    question = question_of(body, caller, services)
    lookup: Lookup | None = request.scope["state"].get("lookup")
    stages = stages_of(request)
    found = await ask(services.pipeline, question, caller.ticket, stages, lookup)
    if body.stream:
        answer_id, events = following(found)
        log = partial(log_content, caller, question.text)
        stream = AnswerStream(answer_id, events, request, done=log)
        return EventStream(stream.frames(), stream.cut_off, answer_id=answer_id)
    answer = await collect(found, request)
    log_content(caller, question.text, answer)
    return Json(wire.answer(answer, stages))


def question_of(body: QueryBody, caller: TenantCaller, services: Services) -> Question:
    """What *caller* asks.

    Raises:
        InvalidRequest: the question is blank, or the filter or the model is wrong.
    """
    if body.model is not None and body.model not in services.models:
        raise InvalidRequest(f"this server offers: {', '.join(services.models)}", param="model")
    return Question(
        tenant_id=caller.tenant_id,
        key_id=caller.key_id,
        groups=caller.groups,
        request_id=caller.request_id,
        route=PATH,
        text=meaningful(body.question, "question"),
        top_k=body.top_k,
        max_tokens=body.max_tokens,
        model=services.model_named(body.model),
        where=parse_filter(body.filter),
        cache=body.cache,
        semantic_cache=caller.semantic_cache,
        isolation=caller.isolation,
        ticket=caller.ticket,
        resumable=body.stream or body.on_disconnect == "detach",
        detached=body.on_disconnect == "detach",
    )


def whole_response(answer: Answer, stages: Stages, *, stream: bool) -> list[Message]:
    """The response with an answer that is there already, sent at once."""
    if stream:
        headers = [*EVENT_STREAM, (b"x-answer-id", answer.id.encode())]
        content = whole_stream(answer, stages)
    else:
        headers = [(b"content-type", b"application/json")]
        content = _written(answer, stages)
    headers = [*headers, (b"content-length", b"%d" % len(content))]
    return [
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": content},
    ]


def _written(answer: Answer, stages: Stages) -> bytes:
    """`wire.answer` as JSON, of which most is written once for all who are given the answer."""
    # An answer that was begun again after a fault has its id, and other words.
    key = answer.id, answer.text
    content = _contents.of(key, lambda: orjson.dumps(wire.content(answer))[:-1])
    rest = orjson.dumps(wire.circumstances(answer, stages))
    return content + b"," + rest[1:]


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
