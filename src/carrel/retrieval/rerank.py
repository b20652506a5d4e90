"""The port to rerankers, and what holds one to its time.

A reranker may improve an order, never prevent an answer: one that fails, or takes
longer than its budget, leaves the passages as fusion ordered them, and is counted.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Protocol

from carrel.domain.document import Passage
from carrel.domain.errors import CarrelError, Unavailable
from carrel.telemetry import metrics
from carrel.telemetry.stages import timed

log = logging.getLogger(__name__)

# Of the budget: a reranker that ends by itself knows that it was slow, one cut off does not.
_SHARE = 0.9

Reason = Literal["timeout", "unavailable", "bad_answer"]


class BadRanking(CarrelError):
    """The reranker's answer is no ranking of what it was given, or it refused."""


class Reranker(Protocol):
    """Reads a question and a passage together, which is slower than vectors and sees more."""

    async def score(
        self, question: str, texts: Sequence[str], *, timeout_seconds: float
    ) -> list[float]:
        """How well each of *texts* answers *question*, 0 to 1, in their order.

        Raises:
            Unavailable: the model is not to be had; also where *timeout_seconds* are not enough.
            BadRanking: it gave something else.
        """
        ...

    async def close(self) -> None:
        """Release connections or memory."""
        ...


class Reranking:
    """Reorders the best *candidates* by *reranker*, within *timeout_seconds*."""

    def __init__(self, reranker: Reranker, *, candidates: int, timeout_seconds: float) -> None:
        self._reranker = reranker
        self.candidates = candidates
        self._timeout_seconds = timeout_seconds

    async def order(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """*passages*, best first, with the reranker's scores; as they were where it fails."""
        if len(passages) < 2:
            return [*passages]
        texts = [_read(passage) for passage in passages]
        try:
            with timed(metrics.rerank_seconds, "rerank"):
                async with asyncio.timeout(self._timeout_seconds):
                    scores = await self._reranker.score(
                        question, texts, timeout_seconds=_SHARE * self._timeout_seconds
                    )
            if len(scores) != len(passages):
                raise BadRanking("not one score for each passage")
        except TimeoutError:
            return self._unchanged(passages, "timeout")
        except Unavailable as error:
            timed_out = isinstance(error.__cause__, TimeoutError)
            return self._unchanged(passages, "timeout" if timed_out else "unavailable", error)
        except Exception as error:  # noqa: BLE001 - no fault of a reranker's may cost an answer
            return self._unchanged(passages, "bad_answer", error)
        # Of equal scores, the order of fusion.
        ranked = sorted(zip(scores, passages, strict=True), key=lambda each: -each[0])
        return [replace(passage, score=score) for score, passage in ranked]

    async def try_once(self, *, timeout_seconds: float) -> None:
        """See whether the reranker works; a model in this process is loaded by this.

        Raises:
            Unavailable, BadRanking, TimeoutError: it does not.
        """
        await self._reranker.score("Why?", ["Because.", "So."], timeout_seconds=timeout_seconds)

    async def close(self) -> None:
        await self._reranker.close()

    def _unchanged(
        self, passages: Sequence[Passage], reason: Reason, error: Exception | None = None
    ) -> list[Passage]:
        metrics.rerank_fallbacks.labels(reason).inc()
        unforeseen = error is not None and not isinstance(error, CarrelError)
        log.warning(
            "not reranked (%s): %s", reason, error or "", exc_info=error if unforeseen else None
        )
        return [*passages]


def _read(passage: Passage) -> str:
    """What the reranker reads of a passage: its title, if it has one, and headings, too."""
    title = "" if passage.title == passage.document_id else passage.title
    return "\n".join(part for part in (title, passage.heading, passage.text) if part)
