"""Reranking by an ONNX cross-encoder in this process, on the CPU.

Passages are read one by one, as texts are embedded; reading ends when the time is
over or nobody waits any more, so a question that gave up costs at most one passage.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from carrel.domain.errors import Unavailable
from carrel.embedding.onnx_model import Source, load_cross_encoder


class OnnxReranker:
    """A `Reranker` that runs a cross-encoder in this process.

    Args:
        source: where the model is.
        threads: passages read at a time.
        max_tokens: how much of a question and a passage is read together.
    """

    def __init__(self, source: Source, *, threads: int = 2, max_tokens: int = 320) -> None:
        self._source = source
        self._max_tokens = max_tokens
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="rerank")
        self._loading: asyncio.Task[Any] | None = None
        self._closed = False

    async def score(
        self, question: str, texts: Sequence[str], *, timeout_seconds: float
    ) -> list[float]:
        deadline = time.monotonic() + timeout_seconds
        encoder = await self.load()
        run = asyncio.get_running_loop().run_in_executor
        try:
            return await asyncio.gather(
                *(run(self._threads, _score, encoder, question, each, deadline) for each in texts)
            )
        except RuntimeError as error:
            if not self._closed:
                raise
            raise Unavailable("the server is stopping: try again in a moment") from error

    async def load(self) -> Any:
        """The model, loaded at the first call.

        Raises:
            EmbedderMisconfigured: it is not there, or cannot be had.
        """
        if self._loading is None or (self._loading.done() and self._loading.exception()):
            loading = asyncio.to_thread(
                load_cross_encoder, self._source, max_tokens=self._max_tokens
            )
            self._loading = asyncio.create_task(loading)
        return await asyncio.shield(self._loading)

    async def close(self) -> None:
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)


def _score(encoder: Any, question: str, text: str, deadline: float) -> float:
    if time.monotonic() >= deadline:
        raise TimeoutError
    [logit] = encoder.rerank(question, [text])
    return 1 / (1 + math.exp(-min(max(logit, -50.0), 50.0)))
