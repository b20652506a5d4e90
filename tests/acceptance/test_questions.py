"""Questions over HTTP: cited, streamed, and each tenant's own."""

import asyncio
import json
from typing import Any

import pytest
from tests.acceptance.server import Client

ACME = """# Refunds

Refunds take 30 days after the return is received.

# Support

Support is open from 9 to 17.
"""
GLOBEX = "# Refunds\n\nRefunds take 14 days after the return is received."
QUESTION = "How long do refunds take?"


@pytest.fixture
async def both(acme: Client, globex: Client) -> tuple[Client, Client]:
    for client, text in ((acme, ACME), (globex, GLOBEX)):
        body = {"text": text, "title": "Policy", "document_id": "policy"}
        status, document = await client.post("/v1/documents?wait=30", body)
        assert (status, document["status"]) == (202, "ready"), document
    return acme, globex


async def stream(client: Client, **body: Any) -> list[tuple[int, str, Any]]:
    """The events of a streamed answer: id, name, data."""
    headers = {"authorization": f"Bearer {client.key}"}
    body = {"stream": True, **body}
    async with client.session.post(
        client.url + "/v1/query", json=body, headers=headers
    ) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        assert response.headers["x-request-id"].startswith("req_")
        text = await response.text()
    events: list[tuple[int, str, Any]] = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return events


async def test_each_tenant_gets_its_own_answer(both: tuple[Client, Client]):
    for client, days in zip(both, ("30 days", "14 days"), strict=True):
        status, answer = await client.post("/v1/query", {"question": QUESTION})
        assert status == 200
        assert days in answer["answer"]
        assert answer["finish_reason"] == "stop"
        assert {source["document_id"] for source in answer["sources"]} == {"policy"}


async def test_a_citation_points_at_the_words_it_quotes(both: tuple[Client, Client]):
    _, answer = await both[0].post("/v1/query", {"question": QUESTION})
    first = answer["citations"][0]
    assert ACME[first["start"] : first["end"]] == first["quote"]
    assert "30 days" in first["quote"]
    assert f"[{first['index']}]" in answer["answer"]
    cited = answer["sources"][first["index"] - 1]
    assert cited["chunk_id"] == first["chunk_id"]
    assert first["heading"] == "Refunds"


async def test_a_stream_is_sources_then_deltas_then_the_whole_answer(
    both: tuple[Client, Client],
):
    events = await stream(both[0], question=QUESTION)
    ids, names, data = zip(*events, strict=True)
    assert list(ids) == list(range(1, len(ids) + 1))
    assert names[0] == "sources"
    assert names[-1] == "done"
    assert set(names[1:-1]) == {"delta"}
    written = "".join(each["text"] for each in data[1:-1])
    assert written == data[-1]["answer"]
    _, whole = await both[0].post("/v1/query", {"question": QUESTION, "cache": "refresh"})
    del whole["id"], data[-1]["id"]
    # The question's vector is remembered, so its tokens are embedded once.
    del whole["usage"], data[-1]["usage"]
    for each in (whole, data[-1]):
        timings = each.pop("timings_ms")
        assert {"exact", "retrieve", "generate", "first_token"} <= set(timings)
        assert all(spent >= 0 for spent in timings.values())
    assert data[-1] == whole


async def test_nothing_relevant_is_said_and_not_answered(both: tuple[Client, Client]):
    question = {"question": "Which volcano erupted on Iceland in 2010?"}
    _, answer = await both[0].post("/v1/query", question)
    assert answer["finish_reason"] == "no_evidence"
    assert answer["sources"] == answer["citations"] == []
    assert answer["usage"]["cost_usd"] == "0"


async def test_an_empty_tenant_has_no_answer(acme: Client):
    status, answer = await acme.post("/v1/query", {"question": QUESTION})
    assert (status, answer["finish_reason"]) == (200, "no_evidence")


async def test_a_search_returns_only_the_callers_passages(both: tuple[Client, Client]):
    for client, days in zip(both, ("30 days", "14 days"), strict=True):
        status, found = await client.post("/v1/search", {"query": "refund", "top_k": 50})
        assert status == 200
        assert any(days in hit["text"] for hit in found["hits"])
        scores = [hit["score"] for hit in found["hits"]]
        assert scores == sorted(scores, reverse=True)


async def test_a_filter_narrows_by_metadata(acme: Client):
    for year in (2024, 2025):
        await acme.post(
            "/v1/documents?wait=30",
            {
                "text": f"The annual fee of {year} is {year - 2000} dollars.",
                "document_id": f"fee-{year}",
                "metadata": {"year": year, "region": "eu", "final": year == 2024},
            },
        )

    async def found(where: dict[str, Any]) -> set[str]:
        _, body = await acme.post("/v1/search", {"query": "annual fee", "filter": where})
        return {hit["document_id"] for hit in body["hits"]}

    assert await found({"year": 2024}) == {"fee-2024"}
    assert await found({"year": [2024, 2025]}) == {"fee-2024", "fee-2025"}
    assert await found({"year": {"gte": 2025}}) == {"fee-2025"}
    assert await found({"final": True, "region": "eu"}) == {"fee-2024"}
    assert await found({"region": "us"}) == set()


async def test_what_was_used_is_reported(both: tuple[Client, Client]):
    await both[0].post("/v1/query", {"question": QUESTION})
    async with asyncio.timeout(10):
        report: dict[str, Any] = {"data": []}
        while not report["data"]:
            _, report = await both[0].get("/v1/usage")
    assert report["data"][0]["requests"] >= 1
    assert report["data"][0]["embedding_tokens"] > 0
    assert report["data"][0]["cost_usd"] == "0"
