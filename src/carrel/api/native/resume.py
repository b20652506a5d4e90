"""`/v1/query/{id}/events`: an answer's stream, read on after what was received of it."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from carrel.answering.resuming import Resumption
from carrel.api.answering import stages_of, started
from carrel.api.dependencies import MayQuery, Opened
from carrel.api.event_stream import EventStream
from carrel.api.native.answer_stream import AnswerStream, place_of
from carrel.domain.ids import AnswerId
from carrel.generations.events import START

NO_CONTENT = 204

router = APIRouter(prefix="/v1", tags=["questions"])


@router.get(
    "/query/{answer_id:path}/events",  # whatever is no id is not found, and no less
    summary="Read an answer's stream on, after the event that was received last",
    responses={204: {"description": "All of it was received"}},
)
async def events(
    answer_id: str,
    request: Request,
    caller: MayQuery,
    services: Opened,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    after = place_of(last_event_id) if last_event_id else START
    wish = Resumption(
        tenant_id=caller.tenant_id,
        key_id=caller.key_id,
        groups=caller.groups,
        request_id=caller.request_id,
        answer_id=AnswerId(answer_id),
        after=after,
        semantic_cache=caller.semantic_cache,
        ticket=caller.ticket,
    )
    first, rest = await started(services.resumed.events(wish, stages_of(request)))
    if first is None:  # which tells an EventSource to leave it at that, too
        await rest.aclose()
        return Response(status_code=NO_CONTENT)
    stream = AnswerStream(wish.answer_id, rest, request, after=after)
    return EventStream(stream.frames(), stream.cut_off, answer_id=wish.answer_id)
