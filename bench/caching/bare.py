"""What an answer from a cache is held against: `python -m bench.caching.bare PORT REDIS_URL`.

A FastAPI route that reads its body and gives back what one GET of Redis finds: no key is
checked, nothing is counted, and nothing is looked at.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel
from redis.asyncio import Redis
from starlette.responses import Response

KEY = "bench:answer"


class Body(BaseModel):
    """The body of a question."""

    question: str
    stream: bool = False
    top_k: int = 8
    filter: dict[str, Any] | None = None
    model: str | None = None
    max_tokens: int = 512
    cache: str = "use"


def app(redis_url: str) -> FastAPI:
    """The application with its one route."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        app.state.redis = Redis.from_url(redis_url)
        yield
        await app.state.redis.aclose()

    bare = FastAPI(lifespan=lifespan)

    @bare.post("/v1/query")
    async def query(body: Body, request: Request) -> Response:
        found = await request.app.state.redis.get(KEY)
        return Response(found, media_type="application/json")

    return bare


def main() -> None:
    port, redis_url = int(sys.argv[1]), sys.argv[2]
    config = uvicorn.Config(
        app(redis_url), port=port, loop="uvloop", http="httptools", access_log=False, log_level=30
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
