"""Equal questions at the same time cost one call of the model, and outlive who asked first."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from bench.simulator.behaviour import Behaviour
from bench.simulator.server import Simulator
from tests import services
from tests.acceptance.replica import beside
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running

from carrel.limits.books import RECOVERY_SECONDS

ASKERS = 1_000
TOKENS = 40


@pytest.fixture(scope="module")
def upstream_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream_port: int) -> Iterator[Server]:
    with services.redis() as redis:
        environment = {
            "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
            "CARREL_LLM__MODEL": "small",
            "CARREL_PRICES": '{"small": {"input": 3, "output": 7}}',
            "CARREL_REDIS_URL": redis.url,
            "CARREL_REDIS_TIMEOUT_SECONDS": "5",
        }
        with running(tmp_path_factory.mktemp("flight"), environment) as started:
            yield started


@pytest.fixture
async def upstream(upstream_port: int) -> AsyncIterator[Simulator]:
    behaviour = Behaviour(ttft_ms=2_000, tokens_per_second=20, tokens=TOKENS)
    async with Simulator(behaviour, port=upstream_port) as simulator:
        yield simulator


@pytest.fixture
async def acme(server: Server) -> AsyncIterator[Client]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        client = await new_tenant(Client(session, server.url, ADMIN_KEY), "acme")
        body = {"text": "Refunds take 30 days after the return.", "document_id": "policy"}
        status, _ = await client.post("/v1/documents?wait=30", body)
        assert status == 202
        yield client


async def ask(client: Client, question: str) -> tuple[int, Any]:
    try:
        return await client.post("/v1/query", {"question": question})
    except aiohttp.ClientError:
        return 0, None


async def test_a_thousand_equal_questions_over_two_replicas_are_one_call(
    server: Server, acme: Client, upstream: Simulator
):
    with beside(server) as replica:
        other = Client(acme.session, replica.url, acme.key)
        outcomes = await asyncio.gather(
            *(ask((acme, other)[i % 2], "How long do refunds take?") for i in range(ASKERS))
        )
    assert Counter(status for status, _ in outcomes) == {200: ASKERS}
    assert upstream.stats.requests == 1
    answers = [answer for _, answer in outcomes]
    assert len({json.dumps([each["id"], each["answer"], each["sources"]]) for each in answers}) == 1
    statuses = Counter(each["cache"]["status"] for each in answers)
    # Who came when it was over was given it from the cache.
    assert statuses["miss"] == 1
    assert statuses["shared"] > ASKERS / 2
    assert statuses["miss"] + statuses["shared"] + statuses["exact"] == ASKERS
    costs = Counter(each["usage"]["cost_usd"] for each in answers)
    assert costs["0"] == ASKERS - 1


async def test_a_leader_that_is_killed_half_way_costs_one_more_call_and_no_answer(
    server: Server, acme: Client, upstream: Simulator
):
    question = "How many days do refunds take?"
    with beside(server) as replica:
        other = Client(acme.session, replica.url, acme.key)
        leading = asyncio.create_task(ask(other, question))
        async with asyncio.timeout(30):
            while upstream.stats.requests == 0:  # noqa: ASYNC110 - in another process
                await asyncio.sleep(0.01)
        following = [asyncio.create_task(ask(acme, question)) for _ in range(ASKERS)]
        await asyncio.sleep(2.5)  # the model has begun to write
        replica.process.kill()
        outcomes = await asyncio.gather(*following)
        assert (await leading)[0] == 0
    assert Counter(status for status, _ in outcomes) == {200: ASKERS}
    assert upstream.stats.requests == 2
    assert len({answer["answer"] for _, answer in outcomes}) == 1


async def test_a_stream_whose_leader_is_killed_says_that_it_begins_again(
    server: Server, acme: Client, upstream: Simulator
):
    question = "How long is it until refunds?"
    with beside(server) as replica:
        other = Client(acme.session, replica.url, acme.key)
        leading = asyncio.create_task(ask(other, question))
        async with asyncio.timeout(30):
            while upstream.stats.requests == 0:  # noqa: ASYNC110 - in another process
                await asyncio.sleep(0.01)
        names: list[str] = []
        headers = {"authorization": f"Bearer {acme.key}"}
        body = {"question": question, "stream": True}
        async with acme.session.post(f"{acme.url}/v1/query", json=body, headers=headers) as stream:
            async for line in stream.content:
                if line.startswith(b"event: "):
                    names.append(line[7:].strip().decode())
                    if names.count("delta") == 3 and replica.process.poll() is None:
                        replica.process.kill()
        await leading
    again = names.index("restart")
    assert names[:again].count("delta") >= 3
    assert names[again + 1] == "sources"
    assert names[-1] == "done"


async def test_the_model_is_stopped_when_the_last_reader_leaves(acme: Client, upstream: Simulator):
    question = {"question": "How long does a refund take?", "stream": True}
    headers = {"authorization": f"Bearer {acme.key}"}
    streams = [
        await acme.session.post(f"{acme.url}/v1/query", json=question, headers=headers)
        for _ in range(2)
    ]
    for stream in streams:
        await stream.content.readuntil(b"event: delta")
    assert upstream.stats.requests == 1
    streams[0].close()  # who leads: the other one reads on
    await streams[1].content.readuntil(b"event: delta")
    assert upstream.stats.cancelled_by_client == 0
    streams[1].close()
    async with asyncio.timeout(15):
        while upstream.stats.cancelled_by_client == 0:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.05)


async def test_a_leader_who_cannot_pay_stands_in_nobodys_way(
    server: Server, acme: Client, upstream: Simulator
):
    admin = acme.with_key(ADMIN_KEY)
    _, tenants = await admin.get("/admin/tenants?limit=1000")
    tenant = tenants["data"][-1]["id"]
    _, poor = await admin.post(
        f"/admin/tenants/{tenant}/keys", {"budget": {"usd": "0.000001", "period": "month"}}
    )
    _, rich = await admin.post(f"/admin/tenants/{tenant}/keys", {})
    body = {"text": "Refunds take 30 days after the return.", "document_id": "policy"}
    await admin.with_key(rich["secret"]).post("/v1/documents?wait=30", body)
    question = "How long may a refund take?"
    await asyncio.sleep(RECOVERY_SECONDS + 0.5)  # of a new Redis nobody knows what was spent
    first = asyncio.create_task(ask(admin.with_key(poor["secret"]), question))
    outcomes = await asyncio.gather(
        *(ask(admin.with_key(rich["secret"]), question) for _ in range(20))
    )
    assert (await first)[0] in (200, 429)  # it may have followed one who can
    assert Counter(status for status, _ in outcomes) == {200: 20}
    assert upstream.stats.requests == 1
