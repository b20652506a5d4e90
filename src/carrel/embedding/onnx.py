"""Embeddings from an ONNX model in this process, on the CPU.

Each text is a run of the model of its own, on one thread; as many run at once as there are
threads. On CPUs that is faster than batches, whose shorter texts are padded, and than several
threads for one text (`make bench-embedding`). The runtime and the tokenizer give the GIL back
while they work, so the event loop goes on.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from carrel.domain.errors import Unavailable
from carrel.domain.vector import DenseVector
from carrel.embedding.embedder import EmbedderMisconfigured, Meter, identity_of
from carrel.embedding.onnx_model import Source, dimensions_of, load_embedding

if TYPE_CHECKING:
    from fastembed import TextEmbedding
    from tokenizers import Tokenizer

# What is beyond is never read: a token has 5 characters, and 128 would be a strange text.
_CHARACTERS_PER_TOKEN = 128


class OnnxEmbedder:
    """An `Embedder` that runs a model in this process.

    Args:
        source: where the model is.
        dimensions: of its vectors, where they are known without looking.
        threads: texts at a time.
        max_tokens: how much of a text is read; not more than the model can.
        query_prefix: put before questions, where a model was trained so: `"query: "` (E5).
        document_prefix: put before documents, likewise: `"passage: "`.

    Raises:
        EmbedderMisconfigured: there is no such model; also at first use, where it is loaded.
    """

    def __init__(
        self,
        source: Source,
        *,
        dimensions: int | None = None,
        threads: int = 2,
        max_tokens: int = 256,
        query_prefix: str = "",
        document_prefix: str = "",
    ) -> None:
        self._source = source
        found = dimensions_of(source) if source.path or dimensions is None else dimensions
        self._dimensions = dimensions or found
        self._max_tokens = max_tokens
        self._query_prefix = query_prefix
        self._document_prefix = document_prefix
        self._loading: asyncio.Task[TextEmbedding] | None = None
        self._model: TextEmbedding | None = None
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="embed")
        self._closed = False

    @property
    def identity(self) -> str:
        return identity_of("onnx", self._source.name, self._dimensions, self._document_prefix)

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def priced_as(self) -> str | None:
        return None

    async def embed_query(self, text: str, meter: Meter | None = None) -> DenseVector:
        model = await self._loaded()
        return await self._run(model.query_embed, self._query_prefix, text, meter)

    async def embed_documents(
        self, texts: Sequence[str], meter: Meter | None = None
    ) -> list[DenseVector]:
        model = await self._loaded()
        embed = model.passage_embed
        return await asyncio.gather(
            *(self._run(embed, self._document_prefix, text, meter) for text in texts)
        )

    def count_tokens(self, text: str) -> int:
        encode = cast("Callable[..., Any]", self._counting.encode)
        return len(encode(text, add_special_tokens=False).ids)

    async def close(self) -> None:
        """Let the text under way end, and take no other."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._model = None

    async def _loaded(self) -> "TextEmbedding":
        if self._closed:
            raise Unavailable("the server is stopping: try again in a moment")
        if self._model is not None:
            return self._model
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(asyncio.to_thread(self._load))
        # Whoever waits may leave; the model is loaded all the same, and once.
        self._model = model = await asyncio.shield(self._loading)
        return model

    def _load(self) -> "TextEmbedding":
        model = load_embedding(self._source, max_tokens=self._max_tokens)
        if (made := len(next(iter(model.embed(["one"]))))) != self._dimensions:
            raise EmbedderMisconfigured(
                f"the model {self._source.name!r} makes vectors of {made} dimensions, not "
                f"{self._dimensions}: leave out CARREL_EMBEDDER__DIMENSIONS"
            )
        return model

    async def _run(
        self, embed: Callable[..., Any], prefix: str, text: str, meter: Meter | None
    ) -> DenseVector:
        if not text.strip():
            return np.zeros(self._dimensions, np.float32)
        given = prefix + text[: self._max_tokens * _CHARACTERS_PER_TOKEN]
        run = asyncio.get_running_loop().run_in_executor
        try:
            vector, tokens = await run(self._threads, self._work, embed, given, meter is not None)
        except RuntimeError as error:
            if not self._closed:
                raise
            raise Unavailable("the server is stopping: try again in a moment") from error
        if meter:
            meter.tokens += tokens
        return vector

    def _work(self, embed: Callable[..., Any], text: str, count: bool) -> tuple[DenseVector, int]:
        [found] = embed([text])
        vector = np.asarray(found, np.float32)
        vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
        tokens = min(self.count_tokens(text), self._max_tokens) if count else 0
        return vector.astype(np.float32, copy=False), tokens

    @cached_property
    def _counting(self) -> "Tokenizer":
        """The model's tokenizer, which neither truncates nor pads."""
        from tokenizers import Tokenizer

        model = self._model or self._load()
        tokenizer = Tokenizer.from_str(cast("Any", model.model).tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer
