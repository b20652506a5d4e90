"""Embeddings from any server that speaks OpenAI's `POST /embeddings`: OpenAI, TEI, vLLM, Ollama.

Every vector is checked for its length and made one of length 1; texts that are blank
have the vector 0 and are never sent, for most servers refuse them.

Protocol: https://platform.openai.com/docs/api-reference/embeddings
"""

import asyncio
import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from carrel.domain.errors import InvalidRequest, Unavailable
from carrel.domain.vector import DenseVector
from carrel.embedding.embedder import Meter, identity_of
from carrel.embedding.static import count_tokens
from carrel.remote.service import OPERATOR_RETRY_AFTER_SECONDS, Refused, Service
from carrel.telemetry import genai, metrics

NAME = "the embedding service"
BYTES_PER_TOKEN = 3  # or more, in most languages: good enough to fill a batch by


class _Item(msgspec.Struct):
    index: int
    embedding: str | list[float]


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    total_tokens: int = 0


class _Answer(msgspec.Struct):
    data: list[_Item]
    usage: _Usage | None = None


_decoder = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class Batches:
    """How documents are sent: texts and tokens of a request, requests at a time."""

    texts: int = 32
    tokens: int = 8_000
    at_once: int = 4


class HttpEmbedder:
    """An `Embedder` over one OpenAI-compatible server.

    Args:
        base_url: with the version, without `/embeddings`: `https://api.openai.com/v1`.
        api_key: sent as a bearer token; None sends none.
        model: as the server names it.
        dimensions: of its vectors; an answer with others is refused.
        query_prefix: put before questions, where a model was trained so: `"query: "` (E5).
        document_prefix: put before documents, likewise: `"passage: "`.
        connect_timeout_seconds: until a connection is had.
        query_timeout_seconds: for a question, with all its retries; someone is waiting.
        document_timeout_seconds: for a batch of documents, with all its retries.
        max_connections: requests at a time; more wait for a connection.
        batches: how documents are sent.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None,
        model: str,
        dimensions: int,
        query_prefix: str = "",
        document_prefix: str = "",
        connect_timeout_seconds: float = 2.0,
        query_timeout_seconds: float = 5.0,
        document_timeout_seconds: float = 60.0,
        max_connections: int = 64,
        batches: Batches | None = None,
    ) -> None:
        self._model = model
        self._provider = genai.provider_of(base_url)
        self._dimensions = dimensions
        self._query_prefix = query_prefix
        self._document_prefix = document_prefix
        self._query_timeout_seconds = query_timeout_seconds
        self._document_timeout_seconds = document_timeout_seconds
        self._batches = batches or Batches()
        self._turns = asyncio.Semaphore(self._batches.at_once)
        self._service = Service(
            base_url.rstrip("/") + "/embeddings",
            name=NAME,
            metric="embedder",
            api_key=api_key,
            connect_timeout_seconds=connect_timeout_seconds,
            max_connections=max_connections,
        )

    @property
    def identity(self) -> str:
        return identity_of("http", self._model, self._dimensions, self._document_prefix)

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def priced_as(self) -> str | None:
        return self._model

    async def embed_query(self, text: str, meter: Meter | None = None) -> DenseVector:
        if not text.strip():
            return self._nothing()
        asked = [self._query_prefix + text]
        [vector] = await self._request(asked, self._query_timeout_seconds, "query", meter)
        return vector

    async def embed_documents(
        self, texts: Sequence[str], meter: Meter | None = None
    ) -> list[DenseVector]:
        vectors = [self._nothing()] * len(texts)
        told = [number for number, text in enumerate(texts) if text.strip()]
        given = [self._document_prefix + texts[number] for number in told]
        # All batches end before the first failure is raised, so none is left running.
        outcomes = await asyncio.gather(
            *(self._batch(given[part.start : part.stop], meter) for part in self._parts(given)),
            return_exceptions=True,
        )
        found: list[DenseVector] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            found += outcome
        for number, vector in zip(told, found, strict=True):
            vectors[number] = vector
        return vectors

    def count_tokens(self, text: str) -> int:
        """As the default embedder's tokenizer counts: the model's own is the server's."""
        return count_tokens(text)

    async def close(self) -> None:
        await self._service.close()

    def _parts(self, texts: Sequence[str]) -> Iterator[range]:
        start = tokens = 0
        for number, text in enumerate(texts):
            count = len(text.encode()) // BYTES_PER_TOKEN + 1
            full = number - start >= self._batches.texts or tokens + count > self._batches.tokens
            if full and number > start:
                yield range(start, number)
                start, tokens = number, 0
            tokens += count
        if start < len(texts):
            yield range(start, len(texts))

    async def _batch(self, texts: list[str], meter: Meter | None) -> list[DenseVector]:
        async with self._turns:
            return await self._halving(texts, meter)

    async def _halving(self, texts: list[str], meter: Meter | None) -> list[DenseVector]:
        """One batch; one that the server finds too large is sent in two."""
        try:
            return await self._request(texts, self._document_timeout_seconds, "documents", meter)
        except _TooLarge:
            middle = len(texts) // 2
            before = await self._halving(texts[:middle], meter)
            return before + await self._halving(texts[middle:], meter)

    async def _request(
        self, texts: list[str], timeout_seconds: float, purpose: str, meter: Meter | None
    ) -> list[DenseVector]:
        body = msgspec.json.encode(
            # Base64 is a quarter of the size, and OpenAI's own client asks for nothing else.
            {"model": self._model, "input": texts, "encoding_format": "base64"}
        )
        try:
            with genai.embeddings(self._model, self._provider, self._dimensions):
                raw = await self._service.post(body, timeout_seconds=timeout_seconds)
        except Refused as refused:
            if refused.status in {413, 422} and len(texts) > 1:
                raise _TooLarge from refused
            raise InvalidRequest(f"{refused.message}: the text may be too long for it") from refused
        try:
            answer = _decoder.decode(raw)
            vectors = self._vectors(answer, len(texts))
        except (msgspec.DecodeError, binascii.Error, ValueError) as error:
            raise _wrong(f"{NAME} does not speak OpenAI's protocol") from error
        usage = answer.usage
        tokens = (usage.prompt_tokens or usage.total_tokens) if usage else 0
        tokens = tokens or await asyncio.to_thread(lambda: sum(map(count_tokens, texts)))
        metrics.embedding_tokens.labels(purpose).inc(tokens)
        if meter:
            meter.tokens += tokens
        return vectors

    def _vectors(self, answer: _Answer, expected: int) -> list[DenseVector]:
        if sorted(item.index for item in answer.data) != list(range(expected)):
            raise ValueError("not one vector for each text")
        vectors = [_vector(item) for item in sorted(answer.data, key=lambda item: item.index)]
        for vector in vectors:
            if len(vector) != self._dimensions:
                raise _wrong(
                    f"{NAME} makes vectors of {len(vector)} dimensions, "
                    f"and the settings say {self._dimensions}"
                )
        return vectors

    def _nothing(self) -> DenseVector:
        return np.zeros(self._dimensions, np.float32)


class _TooLarge(Exception):
    """A batch that the server will not take as one."""


def _vector(item: _Item) -> DenseVector:
    """The unit vector of *item*. Raises ValueError for one that has no direction."""
    if isinstance(item.embedding, str):
        vector = np.frombuffer(base64.b64decode(item.embedding, validate=True), "<f4")
    else:
        vector = np.array(item.embedding, np.float32)
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0:
        raise ValueError("a vector without a direction")
    return (vector / length).astype(np.float32, copy=False)


def _wrong(said: str) -> Unavailable:
    """What the operator has to mend: documents wait for it, rather than fail."""
    return Unavailable(
        f"{said}: the operator must check the embedder's settings",
        retry_after_seconds=OPERATOR_RETRY_AFTER_SECONDS,
    )
