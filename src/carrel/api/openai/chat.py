"""OpenAI's chat completions: the last user message is the question, earlier ones the conversation.

Shapes: https://platform.openai.com/docs/api-reference/chat. Fields of that
interface that mean nothing here (temperature, tools, …) are accepted and ignored.
"""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from carrel.answering.events import Done, Event, Restart, Sources
from carrel.answering.question import Question
from carrel.api import wire
from carrel.api.answering import ask, collect, following, log_content, stages_of
from carrel.api.dependencies import MayAsk, TenantCaller, services_of
from carrel.api.direct import Direct
from carrel.api.errors import describe
from carrel.api.event_stream import EventStream, frame
from carrel.api.native.query import MAX_QUESTION, MAX_TOKENS, meaningful
from carrel.api.responses import Json
from carrel.domain.answer import Answer, CacheUse, Message, Role
from carrel.domain.errors import InvalidRequest, Unavailable
from carrel.domain.filter import is_text

MAX_MESSAGES = 100
DEFAULT_MAX_TOKENS = 512
TOP_K = 8
_FINISH = {"stop": "stop", "length": "length", "no_evidence": "stop"}
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}

router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"], route_class=Direct)


class TextPart(BaseModel):
    """A part of a message's content."""

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """A turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """Options of a streamed completion."""

    include_usage: bool = False


class ChatBody(BaseModel):
    """A chat completion request. A model that is not offered stands for the server's own."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    model: str
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int | None, Field(ge=1, le=MAX_TOKENS)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1, le=MAX_TOKENS)] = None
    n: Annotated[int | None, Field(ge=1, le=1)] = None
    cache: CacheUse = "use"


@router.post("/chat/completions", summary="Ask as with OpenAI's SDK; sources come as extra fields")
async def chat(body: ChatBody, request: Request, caller: MayAsk) -> Response:
    services = services_of(request)
    history, text = _conversation(body.messages)
    question = Question(
        tenant_id=caller.tenant_id,
        key_id=caller.key_id,
        groups=caller.groups,
        request_id=caller.request_id,
        route="/v1/chat/completions",
        text=text,
        top_k=TOP_K,
        max_tokens=body.max_completion_tokens or body.max_tokens or DEFAULT_MAX_TOKENS,
        history=history,
        cache=body.cache,
        semantic_cache=caller.semantic_cache,
        ticket=caller.ticket,
    )
    found = await ask(services.pipeline, question, caller.ticket, stages_of(request))
    if body.stream:
        include_usage = body.stream_options is not None and body.stream_options.include_usage
        frames = _frames(following(found), request, caller, text, include_usage=include_usage)
        return EventStream(frames, _error)
    answer = await collect(found)
    log_content(caller, text, answer)
    return Json(_completion(answer))


def _conversation(messages: Sequence[ChatMessage]) -> tuple[list[Message], str]:
    last = messages[-1]
    if last.role != "user":
        raise InvalidRequest("the last message must be the user's question", param="messages")
    if not all(is_text(each.text) for each in messages):
        raise InvalidRequest("a message is not valid text", param="messages")
    text = meaningful(last.text, "messages")
    if len(text) > MAX_QUESTION:
        raise InvalidRequest(
            f"a question has at most {MAX_QUESTION:,} characters", param="messages"
        )
    return [Message(_ROLES[each.role], each.text) for each in messages[:-1]], text


def _completion(answer: Answer) -> dict[str, Any]:
    return {
        "id": answer.id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": answer.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer.text, "refusal": None},
                "finish_reason": _FINISH[answer.finish_reason],
                "logprobs": None,
            }
        ],
        "usage": wire.usage(answer.usage),
        **_extras(answer),
    }


def _extras(answer: Answer) -> dict[str, Any]:
    return {
        "sources": [wire.source(each) for each in answer.sources],
        "citations": [wire.citation(each) for each in answer.citations],
        "cache": wire.cache(answer),
    }


async def _frames(
    events: AsyncGenerator[Event],
    request: Request,
    caller: TenantCaller,
    question: str,
    *,
    include_usage: bool,
) -> AsyncGenerator[bytes]:
    chunks = _Chunks(request.state.request_id, request.app.state.services.pipeline.model)
    async with aclosing(events):
        try:
            async for event in events:
                if isinstance(event, Sources):
                    yield chunks.piece({"role": "assistant", "content": ""})
                elif isinstance(event, Done):
                    log_content(caller, question, event.answer)
                    yield chunks.last(event.answer)
                    if include_usage:
                        yield chunks.usage(event.answer)
                elif isinstance(event, Restart):  # no chunk can take back what was said
                    raise Unavailable("the answer was cut off: ask again")
                else:
                    yield chunks.piece({"content": event.text})
        except Exception as error:  # noqa: BLE001 - the stream has begun: say it there
            yield _error(describe(error, request))
        else:
            yield frame(b"[DONE]")


def _error(body: dict[str, Any]) -> bytes:
    return frame(orjson.dumps(body)) + frame(b"[DONE]")


class _Chunks:
    """The chunks of one streamed completion."""

    def __init__(self, request_id: str, model: str) -> None:
        self._id = request_id.replace("req_", "chatcmpl_")
        self._created = int(time.time())
        self._model = model

    def piece(self, delta: dict[str, str]) -> bytes:
        return self._chunk([{"index": 0, "delta": delta, "finish_reason": None}])

    def last(self, answer: Answer) -> bytes:
        self._model = answer.model
        reason = _FINISH[answer.finish_reason]
        end: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": reason}
        costs = {name: wire.usage(answer.usage)[name] for name in ("cost_usd", "saved_usd")}
        return self._chunk([end], **_extras(answer), **costs)

    def usage(self, answer: Answer) -> bytes:
        return self._chunk([], usage=wire.usage(answer.usage))

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return frame(
            orjson.dumps(
                {
                    "id": self._id,
                    "object": "chat.completion.chunk",
                    "created": self._created,
                    "model": self._model,
                    "choices": choices,
                    **more,
                }
            )
        )
