"""Reranking by any server with the `/rerank` of Cohere, Jina and vLLM, or that of TEI.

Both take a query and texts, and give each text's index and score. TEI calls the texts
`texts` and gives a bare list; which of the two a server speaks is found out by the
first request, and remembered.

Protocols: https://docs.cohere.com/reference/rerank,
https://huggingface.github.io/text-embeddings-inference
"""

import math
from collections.abc import Sequence

import msgspec

from carrel.remote.service import Refused, Service
from carrel.retrieval.rerank import BadRanking

NAME = "the reranker"
_NOT_UNDERSTOOD = frozenset({400, 422})


class _Result(msgspec.Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None


class _Answer(msgspec.Struct):
    results: list[_Result]


_decoder = msgspec.json.Decoder(_Answer | list[_Result])


class HttpReranker:
    """A `Reranker` at *base_url*, which ends before `/rerank`; scores are clipped to 0 to 1."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None,
        model: str | None,
        connect_timeout_seconds: float = 1.0,
        max_connections: int = 64,
    ) -> None:
        self._model = model
        self._texts = "documents"
        self._sure = False
        self._service = Service(
            base_url.rstrip("/") + "/rerank",
            name=NAME,
            metric="reranker",
            api_key=api_key,
            connect_timeout_seconds=connect_timeout_seconds,
            max_connections=max_connections,
        )

    async def score(
        self, question: str, texts: Sequence[str], *, timeout_seconds: float
    ) -> list[float]:
        try:
            raw = await self._ask(question, texts, timeout_seconds)
        except Refused as refused:
            raise BadRanking(refused.message) from refused
        return _scores(raw, len(texts))

    async def close(self) -> None:
        await self._service.close()

    async def _ask(self, question: str, texts: Sequence[str], timeout_seconds: float) -> bytes:
        try:
            raw = await self._post(question, texts, timeout_seconds)
        except Refused as refused:
            if self._sure or refused.status not in _NOT_UNDERSTOOD:
                raise
            self._texts = "texts" if self._texts == "documents" else "documents"
            raw = await self._post(question, texts, timeout_seconds)
        self._sure = True
        return raw

    async def _post(self, question: str, texts: Sequence[str], timeout_seconds: float) -> bytes:
        body: dict[str, object] = {"query": question, self._texts: texts}
        if self._texts == "documents":
            body["top_n"] = len(texts)
        if self._model:
            body["model"] = self._model
        return await self._service.post(msgspec.json.encode(body), timeout_seconds=timeout_seconds)


def _scores(raw: bytes, expected: int) -> list[float]:
    try:
        answer = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRanking(f"{NAME} does not speak its protocol") from error
    results = answer.results if isinstance(answer, _Answer) else answer
    scores: dict[int, float] = {}
    for result in results:
        score = result.score if result.relevance_score is None else result.relevance_score
        if score is None or not math.isfinite(score):
            raise BadRanking(f"{NAME} gave a passage no score")
        scores[result.index] = min(max(score, 0.0), 1.0)
    if scores.keys() != set(range(expected)) or len(results) != expected:
        raise BadRanking(f"{NAME} did not score each passage once")
    return [scores[number] for number in range(expected)]
