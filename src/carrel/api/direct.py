"""Routes that are asked most: their body and their caller are worked out without detours.

FastAPI solves dependencies, one by one, for every request, which takes as long as an answer
from the cache. These routes depend on nothing else than a body and a caller.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, get_type_hints

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

_JSON = "application/json"


class Direct(APIRoute):
    """A route whose endpoint takes a *body*, the *request* and a *caller*, and nothing else.

    What is not plainly right is left to FastAPI, which says what is wrong with it.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        by_fastapi = super().get_route_handler()
        types = get_type_hints(self.endpoint, include_extras=True)
        model: type[BaseModel] = types["body"]
        (security,) = types["caller"].__metadata__
        caller_of: Callable[[Request], Awaitable[Any]] = security.dependency
        endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            if not request.headers.get("content-type", "").startswith(_JSON):
                return await by_fastapi(request)
            try:
                body = model.model_validate_json(await request.body())
            except ValidationError:
                return await by_fastapi(request)
            return await endpoint(body=body, request=request, caller=await caller_of(request))

        return handle
