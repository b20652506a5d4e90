"""What readers think of an answer: `/v1/feedback`."""

import logging
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from carrel.api.dependencies import MayQuery, Opened
from carrel.domain.ids import AnswerId
from carrel.telemetry import metrics

log = logging.getLogger(__name__)
router = APIRouter(prefix="/v1", tags=["questions"])


class FeedbackBody(BaseModel):
    """What a reader thinks of an answer."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(pattern=r"^ans_[0-9A-Za-z_-]{1,64}$")]
    rating: Literal["positive", "negative"]


@router.post("/feedback", status_code=204, summary="Say what an answer was worth")
async def feedback(body: FeedbackBody, caller: MayQuery, services: Opened) -> Response:
    """A negative rating makes sure that the answer is not given again.

    204 whether or not an answer of that id is kept: who asks does not learn which.
    """
    metrics.feedback.labels(body.rating).inc()
    log.info(
        "feedback",
        extra={
            "carrel": {
                "request_id": caller.request_id,
                "tenant_id": caller.tenant_id,
                "answer_id": body.id,
                "rating": body.rating,
            }
        },
    )
    if body.rating == "negative":
        await services.forget_answer(caller.tenant_id, AnswerId(body.id))
    return Response(status_code=204)
