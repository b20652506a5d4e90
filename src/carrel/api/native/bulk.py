"""Many files in one request: each is taken or refused by itself.

A file's name is its document's id, so that a request may be repeated whole.
"""

from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from carrel.api import wire
from carrel.api.dependencies import MayWriteDocuments, Opened
from carrel.api.errors import describe
from carrel.api.native.documents import PIECE, from_form, pieces
from carrel.api.responses import Json
from carrel.domain.errors import CarrelError, InvalidRequest, UnsupportedMediaType

MAX_FILES = 100

router = APIRouter(prefix="/v1/documents", tags=["documents"])

_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "maxItems": MAX_FILES,
                        },
                        "metadata": {"type": "string", "description": "a JSON object, for all"},
                        "groups": {"type": "string", "description": "a JSON list, for all"},
                        "priority": {"type": "string"},
                    },
                }
            }
        },
    }
}


@router.post("/bulk", status_code=202, summary="Upload many files", openapi_extra=_SCHEMA)
async def upload_many(request: Request, caller: MayWriteDocuments, services: Opened) -> Response:
    """For each file, in order: its document, or `{"filename", "error"}`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise UnsupportedMediaType("send multipart/form-data with files")
    data: list[dict[str, Any]] = []
    async with request.form(max_files=MAX_FILES, max_fields=8, max_part_size=PIECE) as form:
        files = [each for each in form.getlist("file") if isinstance(each, UploadFile)]
        if not files:
            raise InvalidRequest("the form needs parts named file, with filenames", param="file")
        for file in files:
            try:
                said = from_form(form, file, caller.groups, document_id=file.filename)
                document = await services.uploads.accept(caller.tenant_id, said, pieces(file))
                data.append(wire.document(document))
            except CarrelError as error:
                data.append({"filename": file.filename, **describe(error, request)})
    return Json({"data": data}, status_code=202)
