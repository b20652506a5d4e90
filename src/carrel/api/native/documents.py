"""Documents: upload, look, list, delete."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from carrel.api import shapes, wire
from carrel.api.dependencies import MayReadDocuments, MayWriteDocuments, Opened
from carrel.api.leaving import is_cut
from carrel.api.responses import Json
from carrel.domain.document import Document
from carrel.domain.errors import InvalidRequest, UnsupportedMediaType
from carrel.domain.filter import parse_groups, parse_metadata
from carrel.domain.ids import DocumentId
from carrel.ingestion.upload import Upload
from carrel.jobs.queue import PRIORITIES, Priority

PIECE = 256 * 1024
Wait = Annotated[float, Query(ge=0, le=60, description="seconds to wait for ready or failed")]

router = APIRouter(prefix="/v1/documents", tags=["documents"])


class TextBody(BaseModel):
    """A document sent as JSON: its text, or the URL where it is."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1)] | None = None
    url: str | None = None
    title: str | None = None
    metadata: dict[str, Any] | None = None
    document_id: str | None = None
    groups: list[str] | None = None
    priority: Priority = "normal"


_UPLOAD_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "title": {"type": "string"},
                        "metadata": {"type": "string", "description": "a JSON object"},
                        "document_id": {"type": "string"},
                        "groups": {"type": "string", "description": "a JSON list"},
                        "priority": {"type": "string", "enum": list(PRIORITIES)},
                    },
                }
            },
            "application/json": {"schema": TextBody.model_json_schema()},
        },
    }
}


@router.post(
    "",
    status_code=202,
    summary="Upload a file, a text or a URL; the same id again makes a new version",
    openapi_extra=_UPLOAD_SCHEMA,
    response_model=shapes.Document,
)
async def upload(
    request: Request,
    caller: MayWriteDocuments,
    services: Opened,
    wait: Wait = 0,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        # Fields are small; a file has its own limit, and goes to disk piece by piece.
        async with request.form(max_files=1, max_fields=8, max_part_size=PIECE) as form:
            file = _file(form)
            said = from_form(
                form,
                file,
                caller.groups,
                document_id=_field(form, "document_id"),
                idempotency_key=idempotency_key,
            )
            document = await services.uploads.accept(caller.tenant_id, said, pieces(file))
    elif kind == "application/json":
        body = _text_body(await request.body())
        said = Upload(
            media_type="text/markdown",
            title=body.title,
            document_id=body.document_id,
            metadata=parse_metadata(body.metadata),
            groups=parse_groups(body.groups),
            idempotency_key=idempotency_key,
            seen_by=caller.groups,
            priority=body.priority,
        )
        if body.url is not None:
            document = await services.uploads.accept_url(caller.tenant_id, said, body.url)
        else:
            text = _once(body.text or "")
            document = await services.uploads.accept(caller.tenant_id, said, text)
    else:
        raise UnsupportedMediaType("send multipart/form-data with a file, or application/json")
    if wait:
        sight = (*caller.groups, *said.groups)
        try:
            document = await services.documents.wait(
                caller.tenant_id, document.id, sight, seconds=wait
            )
        except asyncio.CancelledError:
            if not is_cut(request.scope):
                raise  # else: this process has to go, and the document was accepted
    return Json(wire.document(document), status_code=202)


@router.get("", summary="The tenant's documents, oldest first", response_model=shapes.DocumentPage)
async def list_documents(
    caller: MayReadDocuments,
    services: Opened,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: str | None = None,
) -> Response:
    page = await services.documents.list(
        caller.tenant_id, caller.groups, limit=limit, after=DocumentId(after) if after else None
    )
    data = [wire.document(document) for document in page.documents]
    return Json(
        {
            "data": data,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
            "has_more": page.has_more,
        }
    )


@router.get(
    "/{document_id:path}", summary="One document, with its progress", response_model=shapes.Document
)
async def get_document(
    document_id: str, caller: MayReadDocuments, services: Opened, wait: Wait = 0
) -> Response:
    document: Document = await services.documents.wait(
        caller.tenant_id, DocumentId(document_id), caller.groups, seconds=wait
    )
    return Json(wire.document(document))


@router.delete("/{document_id:path}", status_code=204, summary="Delete a document, all versions")
async def delete_document(
    document_id: str, caller: MayWriteDocuments, services: Opened
) -> Response:
    await services.delete_document(caller.tenant_id, DocumentId(document_id), caller.groups)
    return Response(status_code=204)


def from_form(
    form: FormData,
    file: UploadFile,
    groups: tuple[str, ...],
    *,
    document_id: str | None,
    idempotency_key: str | None = None,
) -> Upload:
    """What a caller of *groups* says of *file* in the other fields of *form*."""
    return Upload(
        filename=file.filename or None,
        media_type=file.content_type,
        title=_field(form, "title"),
        document_id=document_id,
        metadata=parse_metadata(_json_field(form, "metadata")),
        groups=parse_groups(_json_field(form, "groups")),
        idempotency_key=idempotency_key,
        seen_by=groups,
        priority=_priority(_field(form, "priority")),
    )


def _file(form: FormData) -> UploadFile:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise InvalidRequest("the form needs a part named file, with a filename", param="file")
    return file


def _field(form: FormData, name: str) -> str | None:
    value = form.get(name)
    if isinstance(value, UploadFile):
        raise InvalidRequest(f"{name} must be a plain field", param=name)
    return value or None


def _priority(word: str | None) -> Priority:
    for known in PRIORITIES:
        if word == known:
            return known
    if word is not None:
        raise InvalidRequest(f"priority is one of: {', '.join(PRIORITIES)}", param="priority")
    return "normal"


def _json_field(form: FormData, name: str) -> object:
    text = _field(form, name)
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidRequest(f"{name} is not valid JSON", param=name) from None


def _text_body(raw: bytes) -> TextBody:
    try:
        body = TextBody.model_validate(orjson.loads(raw))
    except orjson.JSONDecodeError:
        raise InvalidRequest("the body is not valid JSON") from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        param = ".".join(str(part) for part in fault["loc"]) or None
        raise InvalidRequest(f"{param}: {fault['msg']}", param=param) from None
    if (body.text is None) == (body.url is None):
        raise InvalidRequest("send either a text or a url", param="text")
    return body


async def pieces(file: UploadFile) -> AsyncGenerator[bytes]:
    """The bytes of *file*, piece by piece."""
    while piece := await file.read(PIECE):
        yield piece


async def _once(text: str) -> AsyncGenerator[bytes]:
    yield text.encode()
