"""Quality of the product as its users meet it: documents uploaded, questions asked over HTTP.

Every corpus is a tenant of its own on one server. Figures are by name; shares are from 0 to 1.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from bench.micro.served import Served, served
from bench.retrieval.datasets import Dataset, Question, Span, load_chunkeval, load_xquad
from bench.retrieval.metrics import ndcg, relevant_chunks, relevant_documents
from bench.retrieval.samples import CORPUS, TENANTS, samples
from bench.retrieval.scores import contains, recall, reciprocal_rank, token_f1, unmarked
from bench.retrieval.served import all_chunks, as_parsed, upload
from tests.acceptance.server import Client, new_tenant

Figures = dict[str, float]
Say = Callable[[str], None]
_AT_ONCE = 4
_REFUSALS = 200
_SEED = 11


@dataclass(frozen=True, slots=True)
class Setup:
    """A way to run the product: its name, its settings, and how long its chunks are."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    chunk_tokens: int = 200
    ranking_only: bool = False  # no answers, no refusals, and no German


async def measure(
    setup: Setup, data: Path, folder: Path, *, sample: int | None, say: Say
) -> Figures:
    """Everything, for one setup; *sample* questions of each data set, or all."""
    chunks = {
        "CARREL_INGESTION__CHUNK_TOKENS": str(setup.chunk_tokens),
        "CARREL_INGESTION__CHUNK_OVERLAP_TOKENS": str(setup.chunk_tokens // 5),
    }
    english, chunkeval = load_xquad(data), as_parsed(load_chunkeval(data))
    figures: Figures = {}
    async with served(folder, {**chunks, **setup.environment}) as it:
        say(f"{setup.name}: xquad-en")
        paragraphs = await _tenant(it, english)
        figures |= await _ranking("xquad-en", paragraphs, _some(english.questions, sample))
        say(f"{setup.name}: chunkeval")
        corpora = await _tenant(it, chunkeval)
        indexed = all_chunks(chunkeval, tokens=setup.chunk_tokens)
        figures |= await _ranking(
            "chunkeval", corpora, _some(chunkeval.questions, sample), chunks=indexed
        )
        if setup.ranking_only:
            return figures
        german = load_xquad(data, "de")
        say(f"{setup.name}: xquad-de")
        absaetze = await _tenant(it, german)
        figures |= await _ranking("xquad-de", absaetze, _some(german.questions, sample))
        for name, tenant, dataset in (
            ("xquad-en", paragraphs, english),
            ("xquad-de", absaetze, german),
        ):
            say(f"{setup.name}: answers to {name}")
            figures |= await _answers(name, tenant, _some(dataset.questions, sample))
        say(f"{setup.name}: refusals")
        own = {"xquad-en": (paragraphs, english), "chunkeval": (corpora, chunkeval)}
        figures |= await _refusals(it, own, {"xquad-en": english, "xquad-de": german})
        say(f"{setup.name}: the demo's companies")
        figures |= await _companies(it)
    return figures


async def _ranking(
    name: str,
    tenant: Client,
    questions: Sequence[Question],
    *,
    chunks: Collection[Span] | None = None,
) -> Figures:
    """nDCG@10, recall and MRR of `/v1/search`: of documents, or of spans out of *chunks*."""

    async def one(question: Question) -> tuple[float, ...]:
        status, body = await tenant.post("/v1/search", {"query": question.text, "top_k": 50})
        assert status == 200, body
        ranked: list[Hashable] = [
            Span(hit["document_id"], hit["start"], hit["end"]) if chunks else hit["document_id"]
            for hit in body["hits"]
        ]
        relevant: Collection[Hashable] = (
            relevant_chunks(question, chunks) if chunks else relevant_documents(question)
        )
        return (
            ndcg(ranked, relevant),
            recall(ranked, relevant, k=5),
            recall(ranked, relevant, k=10),
            reciprocal_rank(ranked[:10], relevant),
        )

    found = await _each(questions, one)
    names = ("nDCG@10", "recall@5", "recall@10", "MRR@10")
    return {
        f"{name} {what}": fmean(column)
        for what, column in zip(names, zip(*found, strict=True), strict=True)
    }


async def _answers(name: str, tenant: Client, questions: Sequence[Question]) -> Figures:
    """Of `/v1/query`: the gold answer contained, F1, length, and how good the citations are."""

    async def one(question: Question) -> tuple[Any, ...]:
        answer = await _ask(tenant, question.text)
        if answer["finish_reason"] == "no_evidence":
            return (0.0, 0.0, None, None, None)
        text = unmarked(answer["answer"])
        cited = [each["document_id"] for each in answer["citations"]]
        own = {span.document for span in question.evidence}
        return (
            float(contains(text, question.answers)),
            token_f1(text, question.answers),
            len(text.split()),
            fmean(each in own for each in cited) if cited else None,
            fmean(_supported(answer)) if cited else None,
        )

    rows = await _each(questions, one)
    right, f1, words, cited, supported = (
        [value for value in column if value is not None] for column in zip(*rows, strict=True)
    )
    return {
        f"{name} answers right": fmean(right),
        f"{name} answers F1": fmean(f1),
        f"{name} answer words": median(words),
        f"{name} citations of the right document": fmean(cited),
        f"{name} citations that quote what they mark": fmean(supported),
    }


def _supported(answer: Mapping[str, Any]) -> list[bool]:
    """Of each citation, whether most of its quote's words stand in the answer."""
    said = set(unmarked(answer["answer"]).casefold().split())
    return [
        2 * len(said & set(each["quote"].casefold().split())) >= len(set(each["quote"].split()))
        for each in answer["citations"]
    ]


async def _refusals(
    it: Served, own: Mapping[str, tuple[Client, Dataset]], halved: Mapping[str, Dataset]
) -> Figures:
    """The share refused of 200 questions each: of their own tenant, and of a wrong one.

    The data sets in *own* are asked of each other; of those *halved*, one half of the articles
    is a tenant, of which the questions about the other half are asked, too.
    """
    trials: dict[str, tuple[bool, Client, Sequence[Question]]] = {}
    for asked, (_, dataset) in own.items():
        for of, (tenant, _) in own.items():
            if asked != of:
                trials[f"{asked} asked of {of}"] = (False, tenant, dataset.questions)
    trials["chunkeval"] = (True, own["chunkeval"][0], own["chunkeval"][1].questions)
    for name, dataset in halved.items():
        half, other = halves(dataset)
        tenant = await _tenant(it, half)
        trials[f"{name}, half"] = (True, tenant, half.questions)
        trials[f"{name}, other half"] = (False, tenant, other.questions)
    figures: Figures = {}
    counts: dict[bool, list[float]] = {True: [], False: []}
    for name, (answerable, tenant, questions) in trials.items():
        refused = await _each(_some(questions, _REFUSALS), lambda q, t=tenant: _refuses(t, q.text))
        figures[f"{'wrongly' if answerable else 'rightly'} refused: {name}"] = fmean(refused)
        counts[answerable] += refused
    rightly, wrongly = sum(counts[False]), sum(counts[True])
    figures["refusal precision"] = rightly / max(rightly + wrongly, 1)
    figures["refusal recall"] = fmean(counts[False])
    return figures


async def _companies(it: Served) -> Figures:
    """The demo's documents, as files, and the questions written for them."""
    tenants: dict[str, Client] = {}
    for name in TENANTS:
        tenants[name] = await new_tenant(it.admin, name)
        for path in sorted((CORPUS / name).iterdir()):
            status, document = await tenants[name].upload(
                path.name, path.read_bytes(), wait=60, document_id=path.stem
            )
            assert status == 202, document
            assert document["status"] == "ready", document
    outcomes: dict[str, list[tuple[bool, bool]]] = {}
    for sample in samples():
        answer = await _ask(tenants[sample.tenant], sample.question)
        refused = answer["finish_reason"] == "no_evidence"
        right = not refused and sample.right(answer["answer"])
        outcomes.setdefault(sample.kind, []).append((right, refused))
    figures: Figures = {}
    for kind, found in outcomes.items():
        right, refused = (fmean(column) for column in zip(*found, strict=True))
        if kind != "unanswerable":
            figures[f"companies, {kind}: right"] = right
        figures[f"companies, {kind}: refused"] = refused
    return figures


async def _tenant(it: Served, dataset: Dataset) -> Client:
    return await upload(await new_tenant(it.admin, dataset.name), dataset.documents)


async def _ask(tenant: Client, question: str) -> dict[str, Any]:
    status, answer = await tenant.post("/v1/query", {"question": question})
    assert status == 200, answer
    return answer


async def _refuses(tenant: Client, question: str) -> float:
    return float((await _ask(tenant, question))["finish_reason"] == "no_evidence")


async def _each(questions: Sequence[Question], one: Callable[[Question], Any]) -> list[Any]:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def taken(question: Question) -> Any:
        async with turns:
            return await one(question)

    return await asyncio.gather(*map(taken, questions))


def _some(questions: Sequence[Question], count: int | None) -> list[Question]:
    if count is None or count >= len(questions):
        return list(questions)
    return random.Random(_SEED).sample(list(questions), count)


def halves(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """Every other article with its questions, and the rest."""
    groups = sorted({question.group for question in dataset.questions})

    def of(part: set[str]) -> Dataset:
        return Dataset(
            f"{dataset.name}-half",
            {k: v for k, v in dataset.documents.items() if k.split("/")[0] in part},
            tuple(question for question in dataset.questions if question.group in part),
        )

    return of(set(groups[::2])), of(set(groups[1::2]))
