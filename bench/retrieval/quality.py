"""nDCG@10 of any search, over the public data sets."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from dataclasses import replace
from statistics import fmean

from bench.retrieval.datasets import Dataset, Question, Span
from bench.retrieval.metrics import ndcg, relevant_chunks, relevant_documents

Search = Callable[[str], Awaitable[Sequence[Hashable]]]
_AT_ONCE = 4


async def documents_found(dataset: Dataset, search: Search) -> float:
    """Mean nDCG@10 where *search* ranks document ids (a document may be named repeatedly)."""
    return await _mean(dataset.questions, search, relevant_documents)


async def chunks_found(
    dataset: Dataset, search: Search, chunks: Collection[Span], *, group: str | None = None
) -> float:
    """Mean nDCG@10 where *search* ranks spans out of all indexed *chunks*.

    A question to which no chunk is relevant counts 0. *group*: only its questions.
    """
    questions = [q for q in dataset.questions if group in {None, q.group}]
    return await _mean(questions, search, lambda question: relevant_chunks(question, chunks))


def renamed(dataset: Dataset, prefix: str) -> Dataset:
    """*dataset* as a part of a larger one, where its documents' ids begin with *prefix*."""

    def moved(question: Question) -> Question:
        spans = (replace(span, document=prefix + span.document) for span in question.evidence)
        return replace(question, evidence=tuple(spans))

    documents = {prefix + name: text for name, text in dataset.documents.items()}
    return replace(dataset, documents=documents, questions=tuple(map(moved, dataset.questions)))


async def _mean(
    questions: Sequence[Question],
    search: Search,
    relevant: Callable[[Question], Collection[Hashable]],
) -> float:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def score(question: Question) -> float:
        async with turns:
            return ndcg(await search(question.text), relevant(question))

    return fmean(await asyncio.gather(*map(score, questions)))
