"""A document on its way: follow it, or stop it.

These routes come before those of documents, whose ids may hold slashes: no id ends like them.
"""

import contextlib
from collections.abc import AsyncGenerator

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from carrel.api import wire
from carrel.api.dependencies import MayReadDocuments, MayWriteDocuments, Opened
from carrel.api.errors import describe
from carrel.api.event_stream import EventStream, frame
from carrel.api.responses import Json
from carrel.domain.document import Document
from carrel.domain.errors import CarrelError
from carrel.domain.ids import DocumentId
from carrel.ingestion.cancel import cancel
from carrel.ingestion.watching import states

router = APIRouter(prefix="/v1/documents", tags=["documents"])


@router.get("/{document_id:path}/events", summary="A document's progress, as server-sent events")
async def follow_document(
    document_id: str, caller: MayReadDocuments, services: Opened, request: Request
) -> Response:
    """An event `progress` for each change, then `done`, or `error` if it was deleted."""
    changes = states(services.documents, caller.tenant_id, DocumentId(document_id), caller.groups)
    first = await anext(changes)  # whoever may not see it hears so before a stream begins
    return EventStream(_progress(first, changes, request))


@router.post("/{document_id:path}/cancel", summary="Stop the version that is under way")
async def cancel_document(
    document_id: str, caller: MayWriteDocuments, services: Opened
) -> Response:
    name = DocumentId(document_id)
    await cancel(services.database, caller.tenant_id, name, caller.groups)
    return Json(wire.document(await services.documents.get(caller.tenant_id, name, caller.groups)))


async def _progress(
    first: Document, changes: AsyncGenerator[Document], request: Request
) -> AsyncGenerator[bytes]:
    number, document = 0, first
    async with contextlib.aclosing(changes):
        while True:
            number += 1
            event = "done" if document.status in ("ready", "failed") else "progress"
            yield frame(
                orjson.dumps(wire.document(document), option=orjson.OPT_UTC_Z),
                event=event,
                number=number,
            )
            try:
                document = await anext(changes)
            except StopAsyncIteration:
                return
            except CarrelError as error:
                said = orjson.dumps(describe(error, request))
                yield frame(said, event="error", number=number + 1)
                return
