import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from bench.simulator.models import ModelServer, serving
from prometheus_client import REGISTRY

from carrel.domain.errors import InvalidRequest, Unavailable
from carrel.embedding.embedder import DEFAULT_DIMENSIONS, Meter
from carrel.embedding.http import Batches, HttpEmbedder
from carrel.embedding.static import StaticEmbedder, embed
from carrel.remote import breaker, retrying
from carrel.telemetry import trace


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with serving(StaticEmbedder()) as it:
        yield it


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE_SECONDS", 0.0)


def embedder_for(server: ModelServer, **changes: Any) -> HttpEmbedder:
    given: dict[str, Any] = {
        "api_key": None,
        "model": "wordllama",
        "dimensions": DEFAULT_DIMENSIONS,
    }
    return HttpEmbedder(base_url=server.base_url, **given | changes)


def status(code: int, **headers: str) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=code, headers=named)


async def test_texts_are_sent_in_batches_by_count(server: ModelServer) -> None:
    embedder = embedder_for(server, batches=Batches(texts=3, at_once=1))
    await embedder.embed_documents(["a text"] * 7)
    assert [len(request["input"]) for request in server.requests] == [3, 3, 1]
    await embedder.close()


async def test_texts_are_sent_in_batches_by_tokens(server: ModelServer) -> None:
    embedder = embedder_for(server, batches=Batches(tokens=100, at_once=1))
    long = "word " * 90
    await embedder.embed_documents([long, "short", "short", long])
    assert [len(request["input"]) for request in server.requests] == [1, 2, 1]
    await embedder.close()


async def test_no_more_batches_than_allowed_are_under_way(server: ModelServer) -> None:
    embedder = embedder_for(server, batches=Batches(texts=1, at_once=3))
    server.open.clear()
    embedding = asyncio.create_task(embedder.embed_documents([f"text {n}" for n in range(9)]))
    await server.reached(3)
    server.open.set()
    await embedding
    assert server.most_at_once == 3
    await embedder.close()


async def test_a_batch_too_large_for_the_server_is_sent_in_parts(server: ModelServer) -> None:
    server.most_texts = 2
    embedder = embedder_for(server)
    texts = [f"text number {number}" for number in range(7)]
    vectors = await embedder.embed_documents(texts)
    assert np.allclose(vectors, [embed(text) for text in texts], atol=1e-5)
    await embedder.close()


async def test_one_text_too_large_for_the_server_is_the_callers_fault(server: ModelServer) -> None:
    server.most_texts = 0
    embedder = embedder_for(server)
    with pytest.raises(InvalidRequest, match="too long"):
        await embedder.embed_query("a very long text")
    await embedder.close()


async def test_vectors_may_come_as_numbers(server: ModelServer) -> None:
    server.plain = True
    embedder = embedder_for(server)
    assert np.allclose(await embedder.embed_query("refunds"), embed("refunds"), atol=1e-5)
    await embedder.close()


async def test_prefixes_are_put_before_questions_and_documents(server: ModelServer) -> None:
    embedder = embedder_for(server, query_prefix="query: ", document_prefix="passage: ")
    await embedder.embed_query("why?")
    await embedder.embed_documents(["because"])
    assert [request["input"] for request in server.requests] == [
        ["query: why?"],
        ["passage: because"],
    ]
    await embedder.close()


async def test_a_documents_prefix_is_part_of_the_identity(server: ModelServer) -> None:
    plain, prefixed = embedder_for(server), embedder_for(server, document_prefix="passage: ")
    assert plain.identity == f"http:wordllama:{DEFAULT_DIMENSIONS}"
    assert prefixed.identity != plain.identity


async def test_the_key_is_sent_as_a_bearer_token(server: ModelServer) -> None:
    embedder = embedder_for(server, api_key="a-key")
    await embedder.embed_query("why?")
    assert server.headers[0]["Authorization"] == "Bearer a-key"
    await embedder.close()


async def test_tokens_are_those_that_the_server_reports(server: ModelServer) -> None:
    embedder, meter = embedder_for(server, query_prefix="a long prefix: "), Meter()
    await embedder.embed_query("why?", meter)
    assert meter.tokens == StaticEmbedder().count_tokens("a long prefix: why?")
    await embedder.close()


async def test_tokens_are_counted_where_the_server_reports_none(server: ModelServer) -> None:
    server.usage = False
    embedder, meter = embedder_for(server), Meter()
    await embedder.embed_query("why not?", meter)
    assert meter.tokens == embedder.count_tokens("why not?")
    await embedder.close()


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
async def test_a_failure_that_may_pass_is_tried_again(server: ModelServer, code: int) -> None:
    server.faults.append(status(code))
    embedder = embedder_for(server)
    assert (await embedder.embed_query("why?")).any()
    assert len(server.requests) == 2
    await embedder.close()


async def test_a_server_that_keeps_failing_is_unavailable_after_three_tries(
    server: ModelServer,
) -> None:
    server.faults.extend(status(503) for _ in range(3))
    embedder = embedder_for(server)
    with pytest.raises(Unavailable, match="HTTP 503"):
        await embedder.embed_query("why?")
    assert len(server.requests) == 3
    await embedder.close()


async def test_a_wait_longer_than_the_budget_is_passed_on(server: ModelServer) -> None:
    server.faults.append(status(429, Retry_After="17"))
    embedder = embedder_for(server, query_timeout_seconds=5)
    with pytest.raises(Unavailable) as refused:
        await embedder.embed_query("why?")
    assert refused.value.retry_after_seconds == 17
    assert len(server.requests) == 1
    await embedder.close()


@pytest.mark.parametrize(
    ("code", "says"), [(401, "its key"), (403, "its key"), (404, "address"), (302, "address")]
)
async def test_what_the_operator_must_mend_is_not_tried_again(
    server: ModelServer, code: int, says: str
) -> None:
    server.faults.append(status(code))
    embedder = embedder_for(server)
    with pytest.raises(Unavailable, match=says) as refused:
        await embedder.embed_query("why?")
    assert refused.value.retry_after_seconds == 30
    assert len(server.requests) == 1
    await embedder.close()


async def test_retries_stop_when_their_budget_is_spent(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "FAILURES", 1000)
    embedder = embedder_for(server)
    server.faults.extend(status(500) for _ in range(1000))
    for _ in range(40):
        with pytest.raises(Unavailable):
            await embedder.embed_query("why?")
    assert 40 + 10 <= len(server.requests) <= 40 + 10 + 4
    await embedder.close()


async def test_a_server_that_is_gone_is_asked_once_in_a_while(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "PAUSE_SECONDS", 60)
    embedder = embedder_for(server)
    server.faults.extend(status(500) for _ in range(100))
    for _ in range(breaker.FAILURES):
        with pytest.raises(Unavailable):
            await embedder.embed_query("why?")
    asked = len(server.requests)
    with pytest.raises(Unavailable, match="HTTP 500"):
        await embedder.embed_query("why?")
    assert len(server.requests) == asked
    assert REGISTRY.get_sample_value("carrel_breakers_open", {"service": "embedder"}) == 1
    server.faults.clear()
    monkeypatch.setattr(embedder._service._breaker, "_next_try", 0.0)
    await embedder.embed_query("why?")
    assert REGISTRY.get_sample_value("carrel_breakers_open", {"service": "embedder"}) == 0
    await embedder.close()


async def test_a_request_is_a_part_of_the_trace_named_by_the_conventions(
    server: ModelServer,
) -> None:
    spans: list[trace.Span] = []
    trace.turn_on(spans.append)
    try:
        trace.begin("GET", "server")
        embedder = embedder_for(server)
        await embedder.embed_query("why?")
        await embedder.close()
    finally:
        trace.turn_off()
    (span,) = spans
    assert (span.name, span.kind) == ("embeddings wordllama", "client")
    assert span.attributes == {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "openai_compatible",
        "gen_ai.request.model": "wordllama",
        "gen_ai.embeddings.dimension.count": DEFAULT_DIMENSIONS,
    }
    assert server.headers[0]["traceparent"] == span.traceparent


async def test_a_stalled_server_costs_the_timeout(server: ModelServer) -> None:
    server.open.clear()
    embedder = embedder_for(server, query_timeout_seconds=0.05)
    with pytest.raises(Unavailable, match=r"within 0\.05 s"):
        await embedder.embed_query("why?")
    await embedder.close()


async def test_no_server_is_unavailable() -> None:
    embedder = HttpEmbedder(base_url="http://127.0.0.1:9/v1", api_key=None, model="m", dimensions=3)
    with pytest.raises(Unavailable, match="cannot be reached"):
        await embedder.embed_query("why?")
    await embedder.close()


async def test_vectors_of_another_length_are_refused(server: ModelServer) -> None:
    embedder = embedder_for(server, dimensions=384)
    with pytest.raises(Unavailable, match=r"256 dimensions, and the settings say 384"):
        await embedder.embed_query("why?")
    await embedder.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"data": []}',
        b'{"data": [{"index": 1, "embedding": [1.0]}]}',
        b'{"data": [{"index": 0, "embedding": "!!!"}]}',
        b'{"data": [{"index": 0, "embedding": [0.0, 0.0]}]}',
        b'{"data": [{"index": 0, "embedding": []}]}',
        b'{"error": {"message": "no"}}',
    ],
)
async def test_an_answer_that_is_none_is_unavailable(server: ModelServer, body: bytes) -> None:
    server.faults.append(web.Response(body=body))
    embedder = embedder_for(server)
    with pytest.raises(Unavailable, match="the operator must check"):
        await embedder.embed_query("why?")
    await embedder.close()


async def test_messages_name_neither_host_nor_key(server: ModelServer) -> None:
    server.faults.append(web.Response(status=401, text="the key secret-key is wrong"))
    embedder = embedder_for(server, api_key="secret-key")
    with pytest.raises(Unavailable) as refused:
        await embedder.embed_query("why?")
    assert "secret" not in refused.value.message
    assert "127.0.0.1" not in refused.value.message
    await embedder.close()


async def test_one_failing_batch_fails_all_and_leaves_none_running(server: ModelServer) -> None:
    embedder = embedder_for(server, batches=Batches(texts=1, at_once=2))
    server.faults.extend(status(404) for _ in range(1))
    with pytest.raises(Unavailable):
        await embedder.embed_documents(["one", "two", "three"])
    assert server.at_once == 0
    await embedder.close()
