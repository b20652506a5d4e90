"""The least that a relay can be: `python -m bench.peers.relay PORT UPSTREAM REDIS_URL WORKERS`.

FastAPI and aiohttp pass bytes from the upstream to the client as they come; nothing is parsed,
checked, counted or kept. A question that is not streamed gets what one GET of Redis finds.
"""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI, Request
from redis.asyncio import Redis
from starlette.responses import Response, StreamingResponse

KEY = "bench:answer"
_HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}


def app() -> FastAPI:
    """The application, with its one route."""
    upstream, redis_url = os.environ["RELAY_UPSTREAM"], os.environ["RELAY_REDIS"]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=_HEADERS) as session:
            app.state.session, app.state.redis = session, Redis.from_url(redis_url)
            yield
            await app.state.redis.aclose()

    bare = FastAPI(lifespan=lifespan)

    @bare.post("/v1/chat/completions")
    async def completions(request: Request) -> Response:
        body = await request.body()
        if b'"stream":true' not in body:
            found = await request.app.state.redis.get(KEY)
            return Response(found, media_type="application/json")
        response = await request.app.state.session.post(upstream + "/chat/completions", data=body)

        async def relayed() -> AsyncGenerator[bytes]:
            async with response:
                async for data in response.content.iter_any():
                    yield data

        return StreamingResponse(relayed(), response.status, media_type="text/event-stream")

    return bare


def main() -> None:
    port, os.environ["RELAY_UPSTREAM"], os.environ["RELAY_REDIS"], workers = sys.argv[1:5]
    uvicorn.run(
        "bench.peers.relay:app",
        factory=True,
        port=int(port),
        workers=int(workers),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
