"""What passes the gateway, as it comes, and what it notes of it."""

import asyncio

import httpx
from bench.simulator import Behaviour
from tests.acceptance.gateway.servers import (
    QUESTION,
    SLOW,
    Front,
    Replicas,
    model,
    started,
    streamed,
    until_delta,
)
from tests.acceptance.server import Client

SOON_SILENT = Behaviour(ttft_ms=5, tokens_per_second=0, tokens=2000, stall_after=40)


async def test_the_first_words_come_while_the_model_still_writes(
    replicas: Replicas, client: Client
):
    async with (
        model(replicas, SOON_SILENT) as upstream,
        asyncio.timeout(10),
        streamed(client) as response,
    ):
        await until_delta(response)
        assert (upstream.stats.open, upstream.stats.completed) == (1, 0)
        assert response.headers["x-request-id"].startswith("req_")


async def test_they_do_so_over_http_2(replicas: Replicas, front: Front):
    headers = {"authorization": f"Bearer {front.key}"}
    async with (
        model(replicas, SOON_SILENT) as upstream,
        asyncio.timeout(10),
        httpx.AsyncClient(http1=False, http2=True, verify=front.tls()) as http,
        http.stream(
            "POST",
            front.gateway.url + "/v1/query",
            json={**QUESTION, "stream": True},
            headers=headers,
        ) as response,
    ):
        assert response.http_version == "HTTP/2"
        async for line in response.aiter_lines():
            if line == "event: delta":
                break
        assert (upstream.stats.open, upstream.stats.completed) == (1, 0)


async def test_a_reader_who_leaves_the_gateway_stops_the_model(replicas: Replicas, client: Client):
    async with model(replicas, SLOW) as upstream:
        async with streamed(client) as response:
            await until_delta(response)
        async with asyncio.timeout(10):
            await upstream.stats.until(lambda stats: stats.cancelled_by_client == 1)


async def test_a_reload_lets_streams_end(replicas: Replicas):
    behaviour = Behaviour(ttft_ms=5, tokens_per_second=10, tokens=20)
    for front in started(replicas):
        async with (
            model(replicas, behaviour),
            front.client() as client,
            streamed(client) as response,
        ):
            await until_delta(response)
            await front.reload()
            text = await response.text()
        assert "event: done" in text


async def test_the_log_names_the_request_as_the_replica_does_and_no_path(
    front: Front, client: Client
):
    headers = {"authorization": f"Bearer {client.key}"}
    url = client.url + "/v1/documents/policy"
    async with client.session.get(url, headers=headers) as response:
        request_id = response.headers["x-request-id"]
    (line,) = await front.served(1)
    assert (line["request_id"], line["replica_status"]) == (request_id, "200")
    assert "policy" not in str(line)
