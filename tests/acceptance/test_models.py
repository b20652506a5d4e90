"""Embedder and reranker as services, over HTTP at both ends: what users see when these fail."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from bench.simulator.models import ModelServer, serving
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running

from carrel.embedding.static import StaticEmbedder

BUDGET_SECONDS = 0.3
TEXTS = {
    "refunds": "Refunds are paid within 30 days after the goods have come back.",
    "returns": "Goods come back to the warehouse in Lyon. Refunds are not the warehouse's task.",
    "holidays": "The warehouse in Lyon is closed on public holidays.",
}
SEARCH = {"query": "Within how many days are refunds paid?"}


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture(scope="module")
def model_server(
    tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int]
) -> Iterator[Server]:
    embedder, reranker = (f"http://127.0.0.1:{port}/v1" for port in ports)
    environment = {
        "CARREL_EMBEDDER__KIND": "http",
        "CARREL_EMBEDDER__BASE_URL": embedder,
        "CARREL_EMBEDDER__MODEL": "wordllama",
        "CARREL_EMBEDDER__DIMENSIONS": "256",
        "CARREL_EMBEDDER__QUERY_TIMEOUT_SECONDS": "1",
        "CARREL_RERANKER__KIND": "http",
        "CARREL_RERANKER__BASE_URL": reranker,
        "CARREL_RERANKER__TIMEOUT_SECONDS": str(BUDGET_SECONDS),
        "CARREL_PRICES": '{"wordllama": {"input": 1000, "output": 0}}',
    }
    with running(tmp_path_factory.mktemp("models"), environment) as server:
        yield server


@pytest.fixture
async def embedder(ports: tuple[int, int]) -> AsyncIterator[ModelServer]:
    async with serving(StaticEmbedder(), ports[0]) as it:
        yield it


@pytest.fixture
async def reranker(ports: tuple[int, int]) -> AsyncIterator[ModelServer]:
    async with serving(StaticEmbedder(), ports[1]) as it:
        yield it


@pytest.fixture
async def tenant(model_server: Server, embedder: ModelServer) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        client = await new_tenant(Client(session, model_server.url, ADMIN_KEY), "acme")
        for name, text in TEXTS.items():
            body = {"text": text, "document_id": name}
            status, document = await client.post("/v1/documents?wait=30", body)
            assert (status, document["status"]) == (202, "ready")
        yield client


async def found(client: Client) -> list[str]:
    status, answer = await client.post("/v1/search", SEARCH)
    assert status == 200, answer
    return [hit["document_id"] for hit in answer["hits"]]


async def fallbacks(client: Client) -> float:
    _, text = await client.with_key(None).get("/metrics")
    lines = [line for line in text.splitlines() if line.startswith("carrel_rerank_fallbacks_total")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


async def test_the_rerankers_order_is_served(tenant: Client, reranker: ModelServer) -> None:
    before = await fallbacks(tenant)
    assert (await found(tenant))[0] == "refunds"
    assert sorted(reranker.requests[-1]["documents"]) == sorted(TEXTS.values())
    assert await fallbacks(tenant) == before


async def test_without_a_reranker_the_fused_order_is_served_and_counted(tenant: Client) -> None:
    before = await fallbacks(tenant)
    assert set(await found(tenant)) == set(TEXTS)
    assert await fallbacks(tenant) == before + 1


async def test_a_stalled_reranker_does_not_keep_an_answer_away(
    tenant: Client, reranker: ModelServer
) -> None:
    reranker.open.clear()
    before = await fallbacks(tenant)
    answers = await asyncio.gather(*(found(tenant) for _ in range(4)))
    assert all(set(each) == set(TEXTS) for each in answers)
    assert await fallbacks(tenant) == before + 4


async def test_a_question_costs_what_its_embedding_costs_once(
    tenant: Client, reranker: ModelServer
) -> None:
    question = {"question": "How many days does the warehouse take?"}
    _, first = await tenant.post("/v1/query", question)
    _, again = await tenant.post("/v1/query", question)
    tokens = first["usage"]["embedding_tokens"]
    assert tokens > 0
    assert first["usage"]["cost_usd"] == f"{tokens / 1000:g}"
    assert again["usage"]["embedding_tokens"] == 0


@pytest.mark.usefixtures("reranker")
async def test_an_embedder_that_is_down_is_unavailable_and_documents_wait_for_it(
    tenant: Client, embedder: ModelServer
) -> None:
    embedder.open.clear()
    status, answer = await tenant.post("/v1/search", {"query": "never asked before"})
    assert (status, answer["error"]["code"]) == (503, "unavailable")
    assert "embedding service" in answer["error"]["message"]
    body = {"text": "A late document about tulips.", "document_id": "late"}
    status, document = await tenant.post("/v1/documents", body)
    assert status == 202
    embedder.open.set()
    status, document = await tenant.get("/v1/documents/late?wait=30")
    assert document["status"] == "ready"
