"""A stream that broke is read on, on any replica, with no text lost and none twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from bench.simulator.behaviour import Behaviour
from bench.simulator.server import Simulator
from tests import services
from tests.acceptance.replica import beside
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running
from tests.acceptance.streams import Received, Stream, close_all

TOKENS = 60
QUESTION = "How long do refunds take?"
POLICY = {
    "text": "Refunds take 30 days after the return.",
    "document_id": "policy",
    "metadata": {"kind": "policy"},
}


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    yield
    close_all()


@pytest.fixture(scope="module")
def upstream_port() -> int:
    return free_port()


def environment(upstream_port: int) -> dict[str, str]:
    return {
        "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
        "CARREL_LLM__MODEL": "small",
        "CARREL_PRICES": '{"small": {"input": 3, "output": 7}}',
    }


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, upstream_port: int) -> Iterator[Server]:
    with services.redis() as redis:
        more = {"CARREL_REDIS_URL": redis.url, "CARREL_REDIS_TIMEOUT_SECONDS": "5"}
        folder = tmp_path_factory.mktemp("shared")
        with running(folder, {**environment(upstream_port), **more}) as started:
            yield started


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, upstream_port: int) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("alone"), environment(upstream_port)) as started:
        yield started


@pytest.fixture(params=["alone", "shared"])
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(request.param)


@pytest.fixture
async def upstream(upstream_port: int) -> AsyncIterator[Simulator]:
    behaviour = Behaviour(ttft_ms=50, tokens_per_second=30, tokens=TOKENS)
    async with Simulator(behaviour, port=upstream_port) as simulator:
        yield simulator


async def tenant_of(server: Server, session: aiohttp.ClientSession) -> Client:
    client = await new_tenant(Client(session, server.url, ADMIN_KEY), "acme")
    status, _ = await client.post("/v1/documents?wait=30", POLICY)
    assert status == 202
    return client


@pytest.fixture
async def acme(server: Server, upstream: Simulator) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield await tenant_of(server, session)


async def key_of(client: Client, *groups: str) -> Client:
    """A client of the same tenant, in *groups*."""
    admin = client.with_key(ADMIN_KEY)
    _, tenants = await admin.get("/admin/tenants?limit=1000")
    _, made = await admin.post(
        f"/admin/tenants/{tenants['data'][-1]['id']}/keys", {"groups": list(groups)}
    )
    return client.with_key(made["secret"])


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.02)


async def usage_of(client: Client, *, requests: int) -> dict[str, Any]:
    """What the tenant used, once so many requests are in the ledger."""
    async with asyncio.timeout(20):
        while True:
            _, usage = await client.get("/v1/usage?bucket=day")
            if usage["data"] and usage["data"][0]["requests"] >= requests:
                assert usage["data"][0]["requests"] == requests
                return usage["data"][0]
            await asyncio.sleep(0.05)


def is_whole(received: Received) -> bool:
    assert received.done, received
    assert received.ids == sorted(received.ids)
    return received.text == received.done["answer"] and received.answer_id == received.done["id"]


async def test_an_answer_has_its_id_from_the_start(acme: Client):
    for cache in ("use", "bypass", "refresh", "use"):
        stream = await Stream.ask(acme, QUESTION, cache=cache)
        received = await stream.read(Received())
        assert stream.response.headers["x-answer-id"] == received.answer_id
        assert is_whole(received)
        assert received.names[0] == "sources"
        assert len({*received.ids}) == len(received.ids)
    assert received.done is not None
    assert received.done["cache"]["status"] == "exact"


async def test_a_stream_is_read_on_while_it_is_written_and_after(acme: Client, upstream: Simulator):
    first = await Stream.ask(acme, QUESTION, cache="bypass")
    received = await first.read(Received(), deltas=5)
    on = await Stream.resume(acme, received.answer_id, received.last_event_id)
    first.close()
    await on.read(received, deltas=5)
    after_ten = json.loads(json.dumps([received.text, received.last_event_id]))
    assert is_whole(await on.read(received))
    assert received.restarts == 0
    assert received.names.count("sources") == 1

    again = await Stream.resume(acme, received.answer_id, after_ten[1])
    rest = await again.read(Received(answer_id=received.answer_id, text=after_ten[0]))
    assert is_whole(rest)
    assert set(rest.names) == {"delta", "done"}
    assert is_whole(await (await Stream.resume(acme, received.answer_id)).read(Received()))
    nothing = await Stream.resume(acme, received.answer_id, received.last_event_id)
    assert nothing.response.status == 204
    assert upstream.stats.requests == 1


async def test_an_answer_from_the_cache_is_read_on_too(acme: Client, upstream: Simulator):
    await acme.post("/v1/query", {"question": QUESTION})
    whole = await (await Stream.ask(acme, QUESTION)).read(Received())
    assert whole.names == ["sources", "delta", "done"]
    cut = Received()
    await (await Stream.ask(acme, QUESTION)).read(cut, deltas=1)
    await (await Stream.resume(acme, cut.answer_id, cut.last_event_id)).read(cut)
    assert is_whole(cut)
    assert upstream.stats.requests == 1


async def test_who_stopped_reading_and_comes_back_is_told_that_it_begins_again(
    acme: Client, upstream: Simulator
):
    stream = await Stream.ask(acme, QUESTION)
    received = await stream.read(Received(), deltas=5)
    stream.close()
    await until(lambda: upstream.stats.cancelled_by_client == 1)
    await (await Stream.resume(acme, received.answer_id, received.last_event_id)).read(received)
    assert is_whole(received)
    assert received.restarts == 1
    assert upstream.stats.requests == 2
    used = await usage_of(acme, requests=2)
    assert used["unfinished"] == 1


async def test_nobody_else_reads_an_answer_by_its_id(server: Server, acme: Client):
    board = await key_of(acme, "board")
    secret = {"text": "The merger is with Initech.", "document_id": "m", "groups": ["board"]}
    assert (await board.post("/v1/documents?wait=30", secret))[0] == 202
    stream = await Stream.ask(board, "Who is the merger with?", on_disconnect="detach")
    received = await stream.read(Received(), deltas=3)
    both = await key_of(acme, "staff", "board")
    outsiders = [acme, await key_of(acme, "staff"), await tenant_of(server, acme.session)]

    async def refusals(*answer_ids: str) -> None:
        for client in outsiders:
            for answer_id in answer_ids:
                status, error = await client.get(f"/v1/query/{answer_id}/events")
                assert (status, error["error"]["code"]) == (404, "not_found")

    await refusals(received.answer_id, "ans_unheard_of", "x")
    await (await Stream.resume(both, received.answer_id, received.last_event_id)).read(received)
    assert is_whole(received)
    await refusals(received.answer_id)
    kept = await (await Stream.ask(board, "Who is the merger with?")).read(Received())
    assert kept.done is not None
    assert kept.done["cache"]["status"] == "exact"
    await refusals(kept.answer_id)

    # What was asked by other groups is theirs, though it is written from everyone's documents.
    for last_event_id in ("", "1000001"):  # from the log, and from the cache
        asked = await Stream.ask(board, QUESTION, filter={"kind": "policy"})
        answer = await asked.read(Received())
        assert answer.done is not None
        assert {each["document_id"] for each in answer.done["sources"]} == {"policy"}
        for client in outsiders:
            stream = await Stream.resume(client, answer.answer_id, last_event_id)
            assert stream.response.status == 404


@pytest.mark.parametrize("cache", ["use", "bypass"])
@pytest.mark.parametrize("is_replaced", [True, False])
async def test_nothing_is_read_of_a_document_that_is_gone(
    acme: Client, cache: str, is_replaced: bool
):
    received = await (await Stream.ask(acme, QUESTION, cache=cache)).read(Received())
    if is_replaced:
        body = {**POLICY, "text": "Refunds are no more."}
        assert (await acme.post("/v1/documents?wait=30", body))[1]["status"] == "ready"
    else:
        assert (await acme.call("DELETE", "/v1/documents/policy"))[0] == 204
    for last_event_id in ("", "3", "1000001"):
        stream = await Stream.resume(acme, received.answer_id, last_event_id)
        assert stream.response.status == 404


async def test_past_the_cache_everyone_has_an_answer_of_their_own(
    acme: Client, upstream: Simulator
):
    questions = (QUESTION, "When do refunds come?")
    streams = [await Stream.ask(acme, each, cache="bypass") for each in questions]
    answers = [await each.read(Received()) for each in streams]
    assert all(map(is_whole, answers))
    assert len({each.answer_id for each in answers}) == 2
    assert upstream.stats.requests == 2


@pytest.mark.parametrize("last_event_id", ["x", "-1", "1.5", "1" * 30])
async def test_an_id_that_no_event_has_is_refused(acme: Client, last_event_id: str):
    stream = await Stream.resume(acme, "ans_x", last_event_id)
    assert stream.response.status == 422


async def test_the_model_is_stopped_when_a_client_that_waits_leaves(
    acme: Client, upstream: Simulator
):
    for cache in ("use", "bypass"):
        before = upstream.stats.cancelled_by_client
        asking = asyncio.create_task(acme.post("/v1/query", {"question": QUESTION, "cache": cache}))
        begun = upstream.stats.requests + 1
        await until(lambda begun=begun: upstream.stats.requests == begun)
        asking.cancel()
        await until(lambda before=before: upstream.stats.cancelled_by_client == before + 1)


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_detached_answer_is_written_to_its_end_and_paid_once(
    acme: Client, upstream: Simulator, is_streamed: bool
):
    if is_streamed:
        stream = await Stream.ask(acme, QUESTION, on_disconnect="detach")
        received = await stream.read(Received(), deltas=3)
        stream.close()
    else:
        body = {"question": QUESTION, "on_disconnect": "detach"}
        asking = asyncio.create_task(acme.post("/v1/query", body))
        await until(lambda: upstream.stats.requests == 1)
        asking.cancel()
    await until(lambda: upstream.stats.completed == 1)
    if is_streamed:
        await (await Stream.resume(acme, received.answer_id, received.last_event_id)).read(received)
        assert is_whole(received)
        assert received.restarts == 0
    _, answer = await acme.post("/v1/query", {"question": QUESTION})
    assert answer["cache"]["status"] in ("exact", "shared")
    assert (upstream.stats.requests, upstream.stats.cancelled_by_client) == (1, 0)
    used = await usage_of(acme, requests=2)
    assert used["completion_tokens"] == TOKENS


async def test_a_detached_answer_counts_among_the_concurrent_ones(
    acme: Client, upstream: Simulator
):
    admin = acme.with_key(ADMIN_KEY)
    _, tenants = await admin.get("/admin/tenants?limit=1000")
    path = f"/admin/tenants/{tenants['data'][-1]['id']}"
    await admin.call("PATCH", path, json={"limits": {"concurrent_requests": 1}})
    stream = await Stream.ask(acme, QUESTION, on_disconnect="detach")
    await stream.read(Received(), deltas=3)
    stream.close()
    assert (await acme.post("/v1/query", {"question": "Another?"}))[0] == 429
    await until(lambda: upstream.stats.completed == 1)


@pytest.mark.parametrize("is_followed", [True, False])
async def test_a_replica_that_is_killed_half_way_costs_its_client_nothing(
    shared: Server, upstream: Simulator, is_followed: bool
):
    async with aiohttp.ClientSession() as session:
        acme = await tenant_of(shared, session)
        with beside(shared) as replica:
            other = Client(session, replica.url, acme.key)
            stream = await Stream.ask(other, QUESTION)
            received = await stream.read(Received(), deltas=20)
            follower = await Stream.ask(acme, QUESTION) if is_followed else None
            replica.process.kill()
            await stream.read(received)  # up to where it broke
            assert received.done is None
        resumed = await Stream.resume(acme, received.answer_id, received.last_event_id)
        await resumed.read(received)
        assert is_whole(received)
        assert received.done is not None
        assert received.restarts == 1
        if follower:
            followed = await follower.read(Received())
            assert is_whole(followed)
            assert followed.text == received.text
        else:  # each of the two is in the ledger, once; up to a second of the killed one is lost
            used = await usage_of(acme, requests=2)
            assert used["unfinished"] == 1
            assert TOKENS <= used["completion_tokens"] < 2 * TOKENS
            # The killed one's prompt is counted by another tokenizer than the model's.
            prompt = received.done["usage"]["prompt_tokens"]
            assert 1.5 * prompt < used["prompt_tokens"] < 2.5 * prompt
        assert upstream.stats.requests == 2
