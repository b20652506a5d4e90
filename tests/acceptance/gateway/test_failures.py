"""What a server that is down, dies or stops costs those who ask the gateway."""

import asyncio
import socket

import aiohttp
from bench.simulator import Behaviour
from tests.acceptance.gateway.servers import (
    FAST,
    QUESTION,
    SLOW,
    Front,
    Replicas,
    model,
    refusal,
    streamed,
    until,
    until_delta,
)
from tests.acceptance.server import Client

UNTIL_STOPPED = Behaviour(ttft_ms=60_000)


async def test_a_replica_that_refuses_connections_costs_nobody_a_request(
    replicas: Replicas, front: Front, client: Client
):
    replicas.servers[0].stop()
    async with model(replicas, FAST) as upstream:
        answers = await asyncio.gather(
            *(client.post("/v1/query", QUESTION) for _ in range(20)),
            *(client.get("/v1/documents/policy") for _ in range(20)),
        )
        assert {status for status, _ in answers} == {200}
        assert upstream.stats.requests == 20
    tried = [line["replica"] for line in await front.served(40) if "," in line["replica"]]
    assert tried, "no request met the replica that is down"


async def test_kill_9_of_a_replica_cuts_its_streams_and_no_others(
    replicas: Replicas, client: Client
):
    async with model(replicas, SLOW) as upstream:
        # The replica with the fewest requests gets the next, so each has one.
        async with streamed(client) as one, streamed(client) as other:
            await asyncio.gather(until_delta(one), until_delta(other))
            replicas.kill(0)
            # Whichever is cut: the other goes on.
            cut, kept = await _which_is_cut(one, other)
            assert isinstance(cut, aiohttp.ClientPayloadError)
            await until_delta(kept)
        upstream.behaviour = FAST
        for _ in range(10):
            status, answer = await client.post("/v1/query", QUESTION)
            assert status == 200, answer


async def _which_is_cut(
    *responses: aiohttp.ClientResponse,
) -> tuple[BaseException, aiohttp.ClientResponse]:
    async def read_out(response: aiohttp.ClientResponse) -> None:
        while await response.content.readline():
            pass

    reading = {asyncio.ensure_future(read_out(each)): each for each in responses}
    (cut,), rest = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
    for each in rest:
        each.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    error = cut.exception()
    assert error is not None
    return error, reading[rest.pop()]


async def test_a_post_that_reached_a_replica_is_not_sent_to_another(
    replicas: Replicas, client: Client
):
    async with model(replicas, UNTIL_STOPPED) as upstream:
        replicas.kill(1)  # so it is the other that gets the question
        headers = {"authorization": f"Bearer {client.key}"}
        asked = asyncio.ensure_future(
            client.session.post(client.url + "/v1/query", json=QUESTION, headers=headers)
        )
        await upstream.stats.until(lambda stats: stats.requests == 1)
        await asyncio.to_thread(replicas.revive)
        replicas.kill(0)
        async with await asked as response:
            assert await refusal(response) == (503, "unavailable", "no server could answer")
            assert response.headers["retry-after"] == "1"
        upstream.behaviour = FAST
        status, answer = await client.post("/v1/query", QUESTION)
        assert status == 200, answer
        assert upstream.stats.requests == 2


async def test_while_a_replica_ends_its_streams_the_other_has_all_new_requests(
    replicas: Replicas, client: Client
):
    async with (
        model(replicas, SLOW) as upstream,
        streamed(client) as one,
        streamed(client) as other,
    ):
        await asyncio.gather(until_delta(one), until_delta(other))
        stopping = replicas.servers[0]
        assert stopping.process
        stopping.process.terminate()
        await until(lambda: not _takes_connections(stopping.port))
        upstream.behaviour = FAST
        for _ in range(10):
            status, answer = await client.post("/v1/query", QUESTION)
            assert status == 200, answer
        assert stopping.process.poll() is None
        await asyncio.gather(until_delta(one), until_delta(other))


def _takes_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_with_all_replicas_down_the_answer_is_503_and_when_to_come_back(
    replicas: Replicas, client: Client
):
    for number in range(2):
        replicas.kill(number)
    for _ in range(3):  # at the first they refuse; after that nginx has none left to ask
        async with client.session.post(client.url + "/v1/query", json=QUESTION) as response:
            assert await refusal(response) == (503, "unavailable", "no server could answer")
            assert response.headers["retry-after"] == "1"
