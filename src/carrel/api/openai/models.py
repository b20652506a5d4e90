"""OpenAI's list of models."""

from fastapi import APIRouter
from starlette.responses import Response

from carrel.api.dependencies import MayQuery, Opened
from carrel.api.responses import Json
from carrel.domain.errors import NotFound

router = APIRouter(prefix="/v1/models", tags=["OpenAI-compatible"])


@router.get("", summary="The models that answer here")
async def list_models(caller: MayQuery, services: Opened) -> Response:
    return Json({"object": "list", "data": [_model(name) for name in services.models]})


@router.get("/{model:path}", summary="One model")
async def get_model(model: str, caller: MayQuery, services: Opened) -> Response:
    if model not in services.models:
        raise NotFound(f"no model {model}; this server offers: {', '.join(services.models)}")
    return Json(_model(model))


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "carrel"}
