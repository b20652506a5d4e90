"""Answers that are given again over HTTP: when they are, when they are not, and to whom."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from bench.simulator.behaviour import Behaviour
from bench.simulator.server import Simulator
from tests import services
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running

REFUNDS = {"question": "How long do refunds take?"}


@pytest.fixture(scope="module")
def upstream_port() -> int:
    return free_port()


@pytest.fixture(scope="module", params=["memory", "Redis"])
def caching_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, upstream_port: int
) -> Iterator[Server]:
    environment = {
        "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
        "CARREL_LLM__MODEL": "small",
        "CARREL_PRICES": '{"small": {"input": 3, "output": 7}}',
    }
    if request.param == "memory":
        with running(tmp_path_factory.mktemp("caching"), environment) as server:
            yield server
        return
    with services.redis() as redis:
        environment["CARREL_REDIS_URL"] = redis.url
        environment["CARREL_REDIS_TIMEOUT_SECONDS"] = "5"
        with running(tmp_path_factory.mktemp("caching"), environment) as server:
            yield server


@pytest.fixture
async def upstream(upstream_port: int) -> AsyncIterator[Simulator]:
    behaviour = Behaviour(ttft_ms=1, tokens_per_second=5_000, tokens=20)
    async with Simulator(behaviour, port=upstream_port) as simulator:
        yield simulator


@pytest.fixture
async def admin(caching_server: Server) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, caching_server.url, ADMIN_KEY)


@pytest.fixture
async def acme(admin: Client) -> Client:
    acme = await new_tenant(admin, "acme")
    await put(acme, "refunds", "Refunds take 30 days after the return.")
    return acme


async def put(client: Client, name: str, text: str, **fields: Any) -> None:
    body = {"text": text, "document_id": name, **fields}
    status, document = await client.post("/v1/documents?wait=30", body)
    assert (status, document["status"]) == (202, "ready")


async def ask(client: Client, **fields: Any) -> dict[str, Any]:
    status, answer = await client.post("/v1/query", {**REFUNDS, **fields})
    assert status == 200, answer
    return answer


async def test_the_second_time_the_same_answer_costs_nothing(acme: Client, upstream: Simulator):
    first = await ask(acme)
    again = await ask(acme)
    assert upstream.stats.requests == 1
    assert first["cache"] == {"status": "miss", "age_seconds": None, "similarity": None}
    assert again["cache"]["status"] == "exact"
    assert 0 <= again["cache"]["age_seconds"] < 60
    assert float(first["usage"]["cost_usd"]) > 0
    assert again["usage"]["cost_usd"] == "0"
    assert again["usage"]["saved_usd"] == first["usage"]["cost_usd"]
    assert again["usage"]["total_tokens"] == 0
    for same in ("id", "answer", "model", "finish_reason", "citations", "sources"):
        assert again[same] == first[same]


async def test_only_the_words_count_not_the_spaces(acme: Client, upstream: Simulator):
    await ask(acme)
    assert (await ask(acme, question="  How long  do refunds\ntake? "))["cache"][
        "status"
    ] == "exact"
    assert (await ask(acme, question="How long do refunds take"))["cache"]["status"] == "miss"


async def test_a_kept_answer_is_streamed_like_any(acme: Client, upstream: Simulator):
    await ask(acme)
    headers = {"authorization": f"Bearer {acme.key}"}
    body = {**REFUNDS, "stream": True}
    async with acme.session.post(f"{acme.url}/v1/query", json=body, headers=headers) as stream:
        text = (await stream.content.read()).decode()
    names = [line[7:] for line in text.splitlines() if line.startswith("event: ")]
    assert names == ["sources", "delta", "done"]
    assert '"status":"exact"' in text


async def test_the_openai_route_is_given_kept_answers_too(acme: Client, upstream: Simulator):
    body = {"model": "carrel", "messages": [{"role": "user", "content": REFUNDS["question"]}]}
    for status in ("miss", "exact"):
        _, completion = await acme.post("/v1/chat/completions", body)
        assert completion["cache"]["status"] == status
    _, completion = await acme.post("/v1/chat/completions", {**body, "cache": "bypass"})
    assert completion["cache"]["status"] == "miss"


async def test_what_makes_another_answer_makes_another_question(acme: Client, upstream: Simulator):
    await ask(acme)
    for fields in ({"top_k": 3}, {"max_tokens": 100}, {"filter": {"year": 2024}}):
        assert (await ask(acme, **fields))["cache"]["status"] == "miss"


async def test_bypass_neither_reads_nor_writes_and_refresh_writes(
    acme: Client, upstream: Simulator
):
    assert (await ask(acme, cache="bypass"))["cache"]["status"] == "miss"
    assert (await ask(acme))["cache"]["status"] == "miss"
    first = await ask(acme)
    assert first["cache"]["status"] == "exact"
    fresh = await ask(acme, cache="refresh")
    assert fresh["cache"]["status"] == "miss"
    assert (await ask(acme))["id"] == fresh["id"] != first["id"]
    assert upstream.stats.requests == 3


async def test_a_changed_document_is_answered_from_anew(acme: Client, upstream: Simulator):
    await ask(acme)
    await put(acme, "refunds", "Refunds take 45 days after the return.")
    answer = await ask(acme)
    assert answer["cache"]["status"] == "miss"
    assert "45 days" in answer["sources"][0]["text"]
    assert "30 days" not in str(answer)


async def test_another_documents_change_leaves_the_answer(acme: Client, upstream: Simulator):
    first = await ask(acme, top_k=1)
    await put(acme, "parking", "The car park opens at seven in the morning.")
    for _ in range(2):  # searched for again the first time, and then known to hold
        again = await ask(acme, top_k=1)
        assert (again["cache"]["status"], again["id"]) == ("exact", first["id"])
    assert upstream.stats.requests == 1


async def test_a_deleted_documents_answer_is_gone_at_once(acme: Client, upstream: Simulator):
    await ask(acme)
    assert (await acme.call("DELETE", "/v1/documents/refunds"))[0] == 204
    answer = await ask(acme)
    assert answer["finish_reason"] == "no_evidence"
    assert "30 days" not in str(answer)


async def test_no_answer_crosses_to_another_tenant(
    acme: Client, admin: Client, upstream: Simulator
):
    globex = await new_tenant(admin, "globex")
    await put(globex, "refunds", "Refunds take 30 days after the return.")
    first = await ask(acme)
    theirs = await ask(globex)
    assert theirs["cache"]["status"] == "miss"
    assert theirs["id"] != first["id"]
    assert upstream.stats.requests == 2


async def test_no_answer_crosses_to_another_group(admin: Client, upstream: Simulator):
    status, tenant = await admin.post("/admin/tenants", {"name": "acme"})
    assert status == 201
    made = [
        (await admin.post(f"/admin/tenants/{tenant['id']}/keys", {"groups": groups}))[1]
        for groups in (["staff"], ["guests"], ["staff"])
    ]
    staff, guests, others = (admin.with_key(key["secret"]) for key in made)
    await put(staff, "refunds", "Refunds take 30 days after the return.", groups=["staff"])
    assert (await ask(staff))["finish_reason"] == "stop"
    assert (await ask(guests))["finish_reason"] == "no_evidence"
    assert (await ask(others))["cache"]["status"] == "exact"  # another key with the same sight


async def test_a_bad_answer_is_not_given_again(acme: Client, upstream: Simulator):
    first = await ask(acme)
    for rating, status in (("positive", "exact"), ("negative", "miss")):
        code, _ = await acme.post("/v1/feedback", {"id": first["id"], "rating": rating})
        assert code == 204
        assert (await ask(acme))["cache"]["status"] == status


async def test_nobody_drops_another_tenants_answer(
    acme: Client, admin: Client, upstream: Simulator
):
    globex = await new_tenant(admin, "globex")
    first = await ask(acme)
    code, _ = await globex.post("/v1/feedback", {"id": first["id"], "rating": "negative"})
    assert code == 204
    assert (await ask(acme))["cache"]["status"] == "exact"


async def test_an_administrator_clears_a_tenants_answers(
    acme: Client, admin: Client, upstream: Simulator
):
    await ask(acme)
    _, tenants = await admin.get("/admin/tenants?limit=100")
    for tenant in tenants["data"]:
        assert (await admin.call("DELETE", f"/admin/tenants/{tenant['id']}/cache"))[0] == 204
    assert (await ask(acme))["cache"]["status"] == "miss"
    assert (await admin.call("DELETE", "/admin/tenants/ten_nobody/cache"))[0] == 404


async def test_hits_and_savings_are_in_the_report(acme: Client, upstream: Simulator):
    first = await ask(acme)
    for _ in range(3):
        await ask(acme)
    saved = 3 * float(first["usage"]["cost_usd"])
    while True:
        _, report = await acme.get("/v1/usage")
        row = report["data"][0] if report["data"] else {"requests": 0}
        if row["requests"] == 4:  # written in batches
            break
    assert row["cache_hits"] == 3
    assert float(row["saved_usd"]) == pytest.approx(saved)
    assert row["cost_usd"] == first["usage"]["cost_usd"]


@pytest.fixture
async def wishing(admin: Client) -> Client:
    """A tenant that wants answers to be given to questions that mean the same."""
    _, tenant = await admin.post("/admin/tenants", {"name": "wishing"})
    path = f"/admin/tenants/{tenant['id']}"
    status, changed = await admin.call("PATCH", path, json={"semantic_cache": "strict"})
    assert (status, changed["semantic_cache"]) == (200, "strict")
    _, key = await admin.post(f"{path}/keys", {})
    client = admin.with_key(key["secret"])
    await put(client, "refunds", "Refunds take 30 days after the return.")
    return client


SAME = "How long does a refund take?"


async def until_remembered(client: Client) -> dict[str, Any]:
    """The answer to a question that means the same; the first was remembered in the background."""
    async with asyncio.timeout(10):
        while (answer := await ask(client, question=SAME))["cache"]["status"] == "miss":
            _ = await client.post("/v1/feedback", {"id": answer["id"], "rating": "negative"})
            await ask(client, cache="refresh")
    return answer


async def test_a_question_that_means_the_same_is_given_the_same_answer(
    wishing: Client, upstream: Simulator
):
    await ask(wishing)
    answer = await until_remembered(wishing)
    assert answer["cache"]["status"] == "semantic"
    assert 0.7 < answer["cache"]["similarity"] < 1
    assert answer["usage"]["cost_usd"] == "0"
    assert float(answer["usage"]["saved_usd"]) > 0


@pytest.mark.parametrize(
    "question",
    ["How long do returns take?", "How long did refunds take?", "How many refunds take 30 days?"],
)
async def test_a_question_that_sounds_the_same_is_answered_anew(
    wishing: Client, upstream: Simulator, question: str
):
    await ask(wishing)
    await until_remembered(wishing)
    assert (await ask(wishing, question=question))["cache"]["status"] == "miss"


async def test_no_question_means_the_same_to_a_tenant_that_did_not_ask_for_it(
    acme: Client, wishing: Client, upstream: Simulator
):
    await ask(wishing)
    await until_remembered(wishing)
    await ask(acme)
    assert (await ask(acme, question=SAME))["cache"]["status"] == "miss"


async def test_what_means_the_same_is_answered_anew_once_the_document_changed(
    wishing: Client, upstream: Simulator
):
    await ask(wishing)
    await until_remembered(wishing)
    await put(wishing, "refunds", "Refunds take 45 days after the return.")
    answer = await ask(wishing, question=SAME)
    assert answer["cache"]["status"] == "miss"
    assert "30 days" not in str(answer)


async def test_a_bad_answer_is_not_given_to_what_means_the_same_either(
    wishing: Client, upstream: Simulator
):
    await ask(wishing)
    first = await until_remembered(wishing)
    body = {"id": first["id"], "rating": "negative"}
    assert (await wishing.post("/v1/feedback", body))[0] == 204
    assert (await ask(wishing, question=SAME))["cache"]["status"] == "miss"
