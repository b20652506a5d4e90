"""Questions whose answer is there already: given before the framework is reached.

Its routing, middleware and dependencies take several times as long as such an answer. Whatever
is not plainly one of these goes on to the routes as it came: another request, a session, a body
with a fault, a key that is refused, a new question. What was found out for it goes along.
"""

from typing import Any

from pydantic import ValidationError
from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from carrel.api.answering import log_content
from carrel.api.dependencies import tenant_caller
from carrel.api.native.query import PATH, QueryBody, question_of, whole_response
from carrel.domain.errors import CarrelError
from carrel.services import Services
from carrel.telemetry import trace
from carrel.telemetry.stages import Stages

MAX_BYTES = 65_536  # a longer body is no question that many ask
_JSON = b"application/json"
_BEARER = "bearer "


class Repeats:
    """Around *app*, all of whose routes stay as they are; its *state* has the services."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        secret = _secret(scope)
        if secret is not None:
            messages = await _read(receive)
            if messages[-1]["type"] == "http.disconnect":
                return
            services: Services = self._state.services
            if response := await _given(services, scope["state"], secret, messages):
                for message in response:
                    await send(message)
                return
            receive = _again(messages, receive)
        await self._app(scope, receive, send)


def _secret(scope: Scope) -> str | None:
    """The key of a request that may ask a question; None: it is something else."""
    if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
        return None
    headers = dict[bytes, bytes](reversed(scope["headers"]))  # of two, the first, as the routes
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or int(length) > MAX_BYTES:
        return None
    if not headers.get(b"content-type", b"").startswith(_JSON):
        return None
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    if authorization[: len(_BEARER)].lower() != _BEARER:
        return None
    return authorization[len(_BEARER) :].strip() or None


async def _read(receive: Receive) -> list[Message]:
    """The messages of the body, up to its end or the client's."""
    messages: list[Message] = []
    while not messages or messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _again(messages: list[Message], receive: Receive) -> Receive:
    """What gives *messages*, and then what comes."""
    unread = iter(messages)

    async def read() -> Message:
        return next(unread, None) or await receive()

    return read


async def _given(
    services: Services, state: dict[str, Any], secret: str, messages: list[Message]
) -> list[Message] | None:
    """The response with the answer that is kept and holds.

    Raises:
        RateLimited: it is not admitted.
    """
    try:
        body = QueryBody.model_validate_json(b"".join(each.get("body", b"") for each in messages))
        with trace.span("authenticate"):
            caller = state["caller"] = await services.authenticator.authenticate(secret)
        asker = tenant_caller(caller, "query", services.gate, state)
        question = question_of(body, asker, services)
        stages = state["stages"] = Stages()
        lookup = state["lookup"] = await services.pipeline.look_up(question, stages)
    except (CarrelError, ValidationError):
        return None  # the route will say what is wrong
    if lookup is None or lookup.entry is None or not lookup.holds:
        return None
    state["route"] = PATH
    await asker.ticket.admit()
    answer = await services.pipeline.give_again(question, lookup.entry, stages)
    log_content(asker, question.text, answer)
    return whole_response(answer, stages, stream=body.stream)
