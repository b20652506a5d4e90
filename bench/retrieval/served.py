"""nDCG@10 over HTTP: documents uploaded to a running server, questions put to `/v1/search`."""

import asyncio
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace

from bench.measure import Figure, Run
from bench.micro.served import served
from bench.retrieval.datasets import Dataset, Span, data_folder, load_chunkeval, load_xquad
from bench.retrieval.quality import chunks_found, documents_found
from tests.acceptance.server import Client, new_tenant

from carrel.domain.document import ParsedDocument
from carrel.ingestion.chunk import chunk

UPLOADS_AT_ONCE = 8
TOP_K = 50
_BLANK_LINES = re.compile(r"\n{3,}")


async def measure(run: Run) -> list[Figure]:
    """Both data sets, each in a tenant of its own."""
    folder = data_folder()
    xquad, chunkeval = load_xquad(folder), as_parsed(load_chunkeval(folder))
    async with served(run.folder) as it:
        run.say("xquad-en")
        paragraphs = await upload(await new_tenant(it.admin, "xquad"), xquad.documents)
        xquad_found = await documents_found(xquad, _documents(paragraphs))
        run.say("chunkeval")
        corpora = await upload(await new_tenant(it.admin, "chunkeval"), chunkeval.documents)
        chunks_ranked = await chunks_found(chunkeval, _spans(corpora), all_chunks(chunkeval))
    return [
        Figure("xquad-en nDCG@10", round(xquad_found, 4), "", f"{len(xquad.questions)} questions"),
        Figure(
            "chunkeval nDCG@10",
            round(chunks_ranked, 4),
            "",
            f"{len(chunkeval.questions)} questions, five corpora in one tenant",
        ),
    ]


def as_parsed(dataset: Dataset) -> Dataset:
    """*dataset* with the text that the parser reads: it leaves one blank line of several."""
    cuts = {
        name: [match.start() + 2 for match in _BLANK_LINES.finditer(text)]
        for name, text in dataset.documents.items()
    }
    lengths = {
        name: [len(match[0]) - 2 for match in _BLANK_LINES.finditer(text)]
        for name, text in dataset.documents.items()
    }

    def moved(name: str, position: int) -> int:
        before = bisect_right(cuts[name], position)
        return position - sum(lengths[name][:before])

    def span(each: Span) -> Span:
        return Span(each.document, moved(each.document, each.start), moved(each.document, each.end))

    return replace(
        dataset,
        documents={
            name: _BLANK_LINES.sub("\n\n", text) for name, text in dataset.documents.items()
        },
        questions=tuple(
            replace(question, evidence=tuple(span(each) for each in question.evidence))
            for question in dataset.questions
        ),
    )


async def upload(tenant: Client, documents: Mapping[str, str]) -> Client:
    """Put *documents*, by id, into the tenant and wait until all can be found."""
    turns = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def one(name: str, text: str) -> None:
        async with turns:
            body = {"text": text, "document_id": name}
            status, document = await tenant.post("/v1/documents", body)
            assert status == 202, document
        while document["status"] not in ("ready", "failed"):
            _, document = await tenant.get(f"/v1/documents/{name}?wait=60")
        assert document["status"] == "ready", document

    await asyncio.gather(*(one(name, text) for name, text in documents.items()))
    return tenant


def _documents(tenant: Client):
    async def search(question: str) -> list[str]:
        return [hit["document_id"] for hit in await _hits(tenant, question)]

    return search


def _spans(tenant: Client):
    async def search(question: str) -> list[Span]:
        return [
            Span(hit["document_id"], hit["start"], hit["end"])
            for hit in await _hits(tenant, question)
        ]

    return search


async def _hits(tenant: Client, question: str):
    status, body = await tenant.post("/v1/search", {"query": question, "top_k": TOP_K})
    assert status == 200, body
    return body["hits"]


def all_chunks(dataset: Dataset, *, tokens: int = 200) -> list[Span]:
    """Every chunk that the product makes of *dataset*, with a fifth of overlap."""
    return [
        Span(name, piece.start, piece.end)
        for name, text in dataset.documents.items()
        for piece in chunk(ParsedDocument(text.rstrip()), tokens=tokens, overlap=tokens // 5)
    ]
