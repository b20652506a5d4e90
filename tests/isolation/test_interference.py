"""What a tenant finds, and what it is answered, is the same to the bit whatever its neighbour does.

Ids, order, scores (cosine and BM25, unrounded), passages and answers are compared.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from tests.acceptance.server import Client, Server, new_tenant
from tests.isolation.backends import Backend
from tests.isolation.canary import SUBJECTS, new_canary, question_about, text_about
from tests.isolation.stack import Api, Tenant, homes, opened
from tests.isolation.stack import new_tenant as tenant_of
from tests.isolation.tally import TALLY

from carrel.domain.tenant import Isolation
from carrel.embedding.sparse import Bm25Encoder
from carrel.vectors.store import Hits

DOCUMENTS = 12
UNCACHED = {"CARREL_CACHE__ENABLED": "false"}
NEIGHBOURS_DOCUMENTS = 220
QUESTIONS = (*map(question_about, SUBJECTS), "refunds", "thirty days", "office")


@pytest.fixture
async def api(backend: Backend, tmp_path: Path) -> AsyncIterator[Api]:
    """A stack that remembers nothing: what is compared is found anew each time."""
    async with opened(tmp_path / "data", backend, environment=UNCACHED) as stack:
        yield stack


async def test_no_score_changes_by_a_bit_whatever_a_neighbour_does(
    api: Api, backend: Backend, record_property: Callable[[str, object], None]
) -> None:
    ours, theirs = await tenant_of(api), await tenant_of(api)
    await _fill(ours)
    before = [await _everything(ours, question) for question in QUESTIONS]
    assert all(hits.dense and hits.sparse for hits, _, _ in before)

    chance = random.Random(3)
    compared = 0
    for start in range(0, NEIGHBOURS_DOCUMENTS, 20):
        names = [f"d{number}" for number in range(start, start + 20)]
        await asyncio.gather(*(theirs.upload(name, _noise(chance, theirs)) for name in names))
        earlier = [f"d{chance.randrange(start + 20)}" for _ in range(4)]
        for name in earlier[:2]:
            await theirs.upload(name, _noise(chance, theirs))
        for name in set(earlier[2:]):
            await theirs.call("DELETE", f"/v1/documents/{name}")
        for question, expected in zip(QUESTIONS, before, strict=True):
            assert await _everything(ours, question) == expected
            compared += 1
    hits = sum(len(h.dense) + len(h.sparse) for h, _, _ in before) * compared // len(QUESTIONS)
    record_property(
        TALLY,
        f"{compared} searches and answers on {backend}, {hits:,} scores, the same to the bit while "
        f"a neighbour uploaded {NEIGHBOURS_DOCUMENTS}+ documents, replaced and deleted some",
    )


async def test_a_neighbour_with_the_same_texts_changes_nothing(api: Api) -> None:
    ours, theirs = await tenant_of(api), await tenant_of(api)
    await _fill(ours)
    before = [await _everything(ours, question) for question in QUESTIONS]
    for number in range(DOCUMENTS):
        text = text_about(SUBJECTS[number % len(SUBJECTS)], ours.canary)
        await theirs.upload(f"d{number}", text)
    assert [await _everything(ours, question) for question in QUESTIONS] == before


async def test_erasing_a_neighbour_changes_nothing(api: Api) -> None:
    ours, theirs = await tenant_of(api), await tenant_of(api)
    await asyncio.gather(_fill(ours), _fill(theirs))
    before = [await _everything(ours, question) for question in QUESTIONS]
    erasure = await api.services.erase_tenant(theirs.id, wait_seconds=30)
    assert erasure.status == "done"
    assert [await _everything(ours, question) for question in QUESTIONS] == before


@pytest.mark.parametrize("tier", ["shared", "collection"])
async def test_no_score_changes_by_a_bit_while_a_neighbour_moves_between_tiers(
    api: Api,
    backend: Backend,
    record_property: Callable[[str, object], None],
    tier: Isolation,
) -> None:
    ours, theirs = await tenant_of(api, tier), await tenant_of(api)
    await asyncio.gather(_fill(ours), _fill(theirs))
    before = [await _everything(ours, question) for question in QUESTIONS]
    theirs_before = [(await theirs.search(question)).json for question in QUESTIONS]
    compared = 0
    with patch("carrel.placement.mover.LONGEST_SEARCH_SECONDS", 0.1):
        for there in (*backend.tiers[1:], "shared") * 2:
            moving = asyncio.create_task(theirs.move(there))
            while not moving.done():
                for question, expected in zip(QUESTIONS, before, strict=True):
                    assert await _everything(ours, question) == expected
                    compared += 1
            assert moving.result().status == "done", moving.result()
    # The neighbour, too, finds in the end what it found. Its vectors were normalised anew.
    for question, expected in zip(QUESTIONS, theirs_before, strict=True):
        found = (await theirs.search(question)).json["hits"]
        wanted = expected["hits"]
        assert [hit["chunk_id"] for hit in found] == [hit["chunk_id"] for hit in wanted]
        assert [hit["score"] for hit in found] == pytest.approx(
            [hit["score"] for hit in wanted], abs=5e-6
        )
    record_property(
        TALLY,
        f"{compared} searches and answers in the tier {tier} on {backend}, the same to the bit "
        f"while a neighbour moved through the tiers {', '.join(backend.tiers)}, twice",
    )


async def test_answers_over_http_are_the_same_whatever_a_neighbour_does(
    server: Server, admin: Client
) -> None:
    ours, theirs = await new_tenant(admin, "ours"), await new_tenant(admin, "theirs")
    canary = new_canary()
    for number in range(DOCUMENTS):
        await _post(ours, f"d{number}", text_about(SUBJECTS[number % len(SUBJECTS)], canary))
    before = [await _answers(ours, question) for question in QUESTIONS]
    chance = random.Random(4)
    names = [f"d{number}" for number in range(60)]
    await asyncio.gather(*(_post(theirs, name, _words(chance)) for name in names))
    for name in names[::3]:
        await theirs.call("DELETE", f"/v1/documents/{name}")
    assert [await _answers(ours, question) for question in QUESTIONS] == before


@pytest.mark.usefixtures("server")
async def test_what_a_tenant_used_says_nothing_of_its_neighbour(admin: Client) -> None:
    ours, theirs = await new_tenant(admin, "ours"), await new_tenant(admin, "theirs")
    for _ in range(3):
        await theirs.post("/v1/query", {"question": "What do refunds take?"})
    for _ in range(100):
        status, report = await theirs.get("/v1/usage")
        assert status == 200
        if report["data"] and report["data"][0]["requests"] == 3:
            break
        await asyncio.sleep(0.05)
    else:
        raise AssertionError("the neighbour's questions were never accounted for")
    assert (await ours.get("/v1/usage"))[1]["data"] == []


async def _fill(tenant: Tenant) -> None:
    for number in range(DOCUMENTS):
        text = text_about(SUBJECTS[number % len(SUBJECTS)], tenant.canary)
        reply = await tenant.upload(f"d{number}", text, metadata={"number": number})
        assert reply.json["status"] == "ready"


async def _everything(tenant: Tenant, question: str) -> tuple[Hits, Any, Any]:
    """Both lists of the store as they come, the passages, and the answer."""
    services = tenant.api.services
    vectors = await homes(tenant.api).now(tenant.id)
    hits = await vectors.search(
        await services.embedder.embed_query(question),
        Bm25Encoder().embed_query(question),
        limit=100,
    )
    passages = (await tenant.search(question, top_k=50)).json
    answer = (await tenant.ask(question)).json
    assert passages["hits"]
    return _ordered(hits), passages, _comparable(answer)


def _ordered(hits: Hits) -> Hits:
    """Equal scores come in any order: that of ids."""
    return Hits(
        *(sorted(each, key=lambda h: (-h.score, h.chunk_id)) for each in (hits.dense, hits.sparse))
    )


def _comparable(answer: Any) -> Any:
    own = ("id", "cache", "timings_ms")  # of each answer, however often it is written
    return {name: value for name, value in answer.items() if name not in own}


async def _answers(client: Client, question: str) -> str:
    status, found = await client.post("/v1/search", {"query": question, "top_k": 50})
    assert status == 200
    assert found["hits"]
    status, answer = await client.post("/v1/query", {"question": question, "cache": "bypass"})
    assert status == 200
    return json.dumps([found, _comparable(answer)])


async def _post(client: Client, name: str, text: str) -> None:
    status, made = await client.post("/v1/documents?wait=30", {"document_id": name, "text": text})
    assert (status, made["status"]) == (202, "ready")


def _noise(chance: random.Random, tenant: Tenant) -> str:
    return f"{_words(chance)} {tenant.canary}"


def _words(chance: random.Random) -> str:
    """Some of the words that all tenants' texts and questions are made of."""
    words = [*SUBJECTS, "days", "thirty", "office", "requests", "take", "earlier", "waits"]
    return " ".join(chance.choices(words, k=chance.randrange(3, 60)))
