import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from bench.models.tiny import write_tiny
from bench.simulator.models import ModelServer, serving
from prometheus_client import REGISTRY

from carrel.domain.document import Passage
from carrel.domain.errors import Unavailable
from carrel.domain.ids import ChunkId, DocumentId
from carrel.embedding.embedder import EmbedderMisconfigured
from carrel.embedding.onnx_model import Source
from carrel.embedding.static import StaticEmbedder
from carrel.remote import breaker
from carrel.retrieval.rerank import BadRanking, Reranker, Reranking
from carrel.retrieval.rerank_http import HttpReranker
from carrel.retrieval.rerank_onnx import OnnxReranker

TEXTS = [
    "The warehouse in Lyon is closed on public holidays.",
    "Invoices are sent by mail.",
    "Refunds are paid within thirty days.",
]
QUESTION = "Within how many days are refunds paid?"


def passages(texts: Sequence[str] = TEXTS) -> list[Passage]:
    return [
        Passage(
            chunk_id=ChunkId(f"chk_{number}"),
            document_id=DocumentId("doc_1"),
            version=1,
            title="",
            text=text,
            start=0,
            end=len(text),
            heading="",
            page=None,
            content_hash="",
            score=1 - number / 10,
        )
        for number, text in enumerate(texts)
    ]


class Scripted:
    """A reranker that gives set scores, or fails as it is told, or waits for ever."""

    def __init__(self, outcome: list[float] | Exception | None) -> None:
        self._outcome = outcome

    async def score(
        self, question: str, texts: Sequence[str], *, timeout_seconds: float
    ) -> list[float]:
        if self._outcome is None:
            await asyncio.Event().wait()
        if isinstance(self._outcome, list):
            return self._outcome
        assert self._outcome is not None
        raise self._outcome

    async def close(self) -> None: ...


def reranking(reranker: Reranker, **changes: Any) -> Reranking:
    return Reranking(reranker, **{"candidates": 10, "timeout_seconds": 5.0} | changes)


def fallbacks(reason: str) -> float:
    return REGISTRY.get_sample_value("carrel_rerank_fallbacks_total", {"reason": reason}) or 0.0


async def test_passages_come_in_the_rerankers_order_with_its_scores() -> None:
    ordered = await reranking(Scripted([0.1, 0.9, 0.5])).order(QUESTION, passages())
    assert [each.text for each in ordered] == [TEXTS[1], TEXTS[2], TEXTS[0]]
    assert [each.score for each in ordered] == [0.9, 0.5, 0.1]


async def test_of_equal_scores_the_fused_order_holds() -> None:
    ordered = await reranking(Scripted([0.5, 0.5, 0.5])).order(QUESTION, passages())
    assert ordered == [Passage(**{**_fields(each), "score": 0.5}) for each in passages()]


def _fields(passage: Passage) -> dict[str, Any]:
    return {name: getattr(passage, name) for name in Passage.__slots__}


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (None, "timeout"),
        (TimeoutError(), "timeout"),
        (Unavailable("down"), "unavailable"),
        (BadRanking("not one"), "bad_answer"),
        ([0.5], "bad_answer"),
        (ZeroDivisionError(), "bad_answer"),
    ],
)
async def test_a_reranker_that_fails_leaves_the_fused_order_and_is_counted(
    outcome: list[float] | Exception | None, reason: str
) -> None:
    before = fallbacks(reason)
    ordered = await reranking(Scripted(outcome), timeout_seconds=0.02).order(QUESTION, passages())
    assert ordered == passages()
    assert fallbacks(reason) == before + 1


async def test_a_question_that_is_cancelled_is_no_fallback() -> None:
    before = fallbacks("timeout")
    asking = asyncio.create_task(reranking(Scripted(None)).order(QUESTION, passages()))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert fallbacks("timeout") == before


async def test_a_single_passage_is_not_sent() -> None:
    alone = passages(TEXTS[:1])
    assert await reranking(Scripted(None)).order(QUESTION, alone) == alone


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with serving(StaticEmbedder()) as it:
        yield it


@pytest.fixture
async def http(server: ModelServer) -> AsyncIterator[HttpReranker]:
    reranker = HttpReranker(base_url=server.base_url, api_key="a-key", model="a-model")
    yield reranker
    await reranker.close()


async def test_a_service_is_asked_for_all_passages_and_its_scores_put_in_their_places(
    server: ModelServer, http: HttpReranker
) -> None:
    scores = await http.score(QUESTION, TEXTS, timeout_seconds=5)
    assert max(range(3), key=scores.__getitem__) == 2
    assert server.requests == [
        {"query": QUESTION, "documents": TEXTS, "top_n": 3, "model": "a-model"}
    ]
    assert server.headers[0]["Authorization"] == "Bearer a-key"


async def test_a_service_that_knows_only_teis_shape_is_asked_in_it(
    server: ModelServer, http: HttpReranker
) -> None:
    server.speaks_tei = True
    for _ in range(2):
        scores = await http.score(QUESTION, TEXTS, timeout_seconds=5)
        assert max(range(3), key=scores.__getitem__) == 2
    asked = [sorted(request.keys() & {"documents", "texts"}) for request in server.requests]
    assert asked == [["documents"], ["texts"], ["texts"]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"results": []}',
        orjson.dumps([{"index": n, "score": 0.5} for n in (0, 1, 3)]),
        orjson.dumps([{"index": n, "score": 0.5} for n in (0, 1, 1)]),
        orjson.dumps([{"index": n, "score": 0.5} for n in (0, 1, 2, 2)]),
        orjson.dumps([{"index": n} for n in (0, 1, 2)]),
    ],
)
async def test_an_answer_that_is_no_ranking_is_refused(
    server: ModelServer, http: HttpReranker, body: bytes
) -> None:
    server.faults.append(web.Response(body=body))
    with pytest.raises(BadRanking):
        await http.score(QUESTION, TEXTS, timeout_seconds=5)


async def test_scores_beyond_0_and_1_are_clipped(server: ModelServer, http: HttpReranker) -> None:
    scores = [{"index": n, "score": score} for n, score in enumerate((-3.5, 0.5, 7))]
    server.faults.append(web.Response(body=orjson.dumps(scores)))
    assert await http.score(QUESTION, TEXTS, timeout_seconds=5) == [0.0, 0.5, 1.0]


async def test_a_stalled_service_costs_its_budget_and_is_then_left_alone(
    server: ModelServer, http: HttpReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "FAILURES", 2)
    monkeypatch.setattr(breaker, "PAUSE_SECONDS", 60)
    server.open.clear()
    before = fallbacks("timeout")
    limited = reranking(http, timeout_seconds=0.4)
    for _ in range(2):
        assert await limited.order(QUESTION, passages()) == passages()
    assert fallbacks("timeout") == before + 2
    asked = len(server.requests)
    assert await limited.order(QUESTION, passages()) == passages()
    assert len(server.requests) == asked, "the breaker is open: nobody waits for it"


@pytest.fixture
async def onnx(tmp_path: Path) -> AsyncIterator[OnnxReranker]:
    path = await asyncio.to_thread(write_tiny, tmp_path / "cross", classifier=True)
    reranker = OnnxReranker(Source(None, path, tmp_path))
    yield reranker
    await reranker.close()


async def test_a_cross_encoder_scores_each_passage_alike_alone_and_among_others(
    onnx: OnnxReranker,
) -> None:
    together = await onnx.score(QUESTION, TEXTS, timeout_seconds=30)
    assert all(0 <= score <= 1 for score in together)
    assert len(set(together)) == 3
    for text, score in zip(TEXTS, together, strict=True):
        assert await onnx.score(QUESTION, [text], timeout_seconds=30) == pytest.approx([score])


async def test_a_cross_encoder_ends_when_its_time_is_over(onnx: OnnxReranker) -> None:
    await onnx.load()
    with pytest.raises(TimeoutError):
        await onnx.score(QUESTION, TEXTS, timeout_seconds=-1)
    assert await onnx.score(QUESTION, TEXTS, timeout_seconds=30)


async def test_a_closed_cross_encoder_is_unavailable(onnx: OnnxReranker) -> None:
    await onnx.load()
    await onnx.close()
    with pytest.raises(Unavailable):
        await onnx.score(QUESTION, TEXTS, timeout_seconds=30)


async def test_a_cross_encoder_that_is_not_there_leaves_the_fused_order(tmp_path: Path) -> None:
    missing = OnnxReranker(Source(None, tmp_path / "none", tmp_path))
    with pytest.raises(EmbedderMisconfigured):
        await missing.load()
    assert await reranking(missing).order(QUESTION, passages()) == passages()
    await missing.close()
