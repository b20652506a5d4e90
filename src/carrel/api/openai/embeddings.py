"""OpenAI's embeddings, of the model that finds passages here.

Shapes: https://platform.openai.com/docs/api-reference/embeddings. `input_type` is an
addition: models that tell questions from documents embed them differently.
"""

import base64
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from carrel.answering.embeddings import Order
from carrel.api.dependencies import MayEmbed, services_of
from carrel.api.direct import Direct
from carrel.api.native.query import meaningful
from carrel.api.responses import Json
from carrel.domain.errors import InvalidRequest
from carrel.domain.vector import DenseVector
from carrel.services import DEFAULT_MODEL

MAX_TEXTS = 256
MAX_CHARACTERS = 100_000  # of one text

Text = Annotated[str, Field(max_length=MAX_CHARACTERS)]

router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"], route_class=Direct)


class EmbeddingsBody(BaseModel):
    """Texts to embed."""

    input: Text | Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)]
    model: str
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    input_type: Literal["document", "query"] = "document"


@router.post("/embeddings", summary="The vectors of texts, as with OpenAI's SDK")
async def embeddings(body: EmbeddingsBody, request: Request, caller: MayEmbed) -> Response:
    found = services_of(request).embeddings
    if body.model not in (DEFAULT_MODEL, found.model):
        names = f"{DEFAULT_MODEL}, {found.model}"
        raise InvalidRequest(f"this server embeds with: {names}", param="model")
    if body.dimensions not in (None, found.dimensions):
        raise InvalidRequest(f"vectors have {found.dimensions} dimensions", param="dimensions")
    texts = [body.input] if isinstance(body.input, str) else body.input
    order = Order(
        tenant_id=caller.tenant_id,
        key_id=caller.key_id,
        request_id=caller.request_id,
        ticket=caller.ticket,
        texts=[meaningful(text, "input") for text in texts],
        as_questions=body.input_type == "query",
    )
    vectors, tokens = await found.embed(order)
    return Json(
        {
            "object": "list",
            "data": [_item(n, each, body.encoding_format) for n, each in enumerate(vectors)],
            "model": found.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _item(index: int, vector: DenseVector, encoding: str) -> dict[str, Any]:
    values: Any = vector.tolist()
    if encoding == "base64":  # little-endian floats of 32 bits
        values = base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return {"object": "embedding", "index": index, "embedding": values}
