"""The chunks of a document: `/v1/chunks`.

The document is named in the query, because an id may hold slashes, and end in anything.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from carrel.api import shapes
from carrel.api.dependencies import MayReadDocuments, Opened
from carrel.api.responses import Json
from carrel.domain.errors import InvalidRequest
from carrel.domain.filter import is_text
from carrel.domain.ids import DocumentId

MAX_ORDINAL = 2**31

router = APIRouter(prefix="/v1/chunks", tags=["documents"])


@router.get(
    "", summary="A document's searchable text, chunk by chunk", response_model=shapes.ChunkPage
)
async def list_chunks(
    caller: MayReadDocuments,
    services: Opened,
    document_id: str,
    first: Annotated[int, Query(ge=0, le=MAX_ORDINAL, description="the ordinal to start at")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    if not is_text(document_id):
        raise InvalidRequest("document_id is not valid text", param="document_id")
    page = await services.reader.chunks(
        caller.tenant_id, DocumentId(document_id), caller.groups, first=first, limit=limit
    )
    data = [
        {
            "id": each.chunk_id,
            "ordinal": each.chunk.ordinal,
            "text": each.chunk.text,
            "start": each.chunk.start,
            "end": each.chunk.end,
            "heading": each.chunk.heading,
            "page": each.chunk.page,
        }
        for each in page.chunks
    ]
    return Json({"version": page.version, "data": data, "has_more": page.has_more})
