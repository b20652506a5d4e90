"""What each choice of how documents are cut does to what is found, one at a time.

`python -m bench.retrieval.chunking`; two minutes. Chunks of different lengths are not compared by
ranks: a long chunk holds more. What counts is how much of the evidence is among the first
tokens that a model would be given: passages are taken as they rank, the last one cut where they
are full.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

from bench.report import machine, write_json
from bench.retrieval.corpus import Corpus, as_embedded, index, vector_store
from bench.retrieval.datasets import Dataset, Question, Span, data_folder, load_chunkeval
from bench.retrieval.samples import TENANTS, Sample, samples, texts_of
from bench.retrieval.scores import plain
from rich.console import Console
from rich.table import Table

from carrel.domain.document import Chunk, ParsedDocument, Passage
from carrel.ingestion.chunk import chunk
from carrel.ingestion.sections import Section, TableHeaders
from carrel.retrieval.context import choose, completed, gaps

BUDGETS = (300, 1_000)  # tokens
LISTED = 20
WRITTEN = Path(__file__).parents[2] / "docs" / "assets" / "quality" / "chunking.json"

Cut = Callable[[str], list[Chunk]]


def ours(text: str, *, tokens: int = 200, overlap: int = 40) -> list[Chunk]:
    return chunk(ParsedDocument(text), tokens=tokens, overlap=overlap)


def windows(text: str, *, characters: int = 800, overlap: int = 160) -> list[Chunk]:
    """Windows of so many characters, wherever they fall."""
    starts = range(0, max(1, len(text) - overlap), characters - overlap)
    return [
        Chunk(ordinal, text[start : start + characters], start, min(len(text), start + characters))
        for ordinal, start in enumerate(starts)
        if text[start : start + characters].strip()
    ]


def without_sections(text: str) -> list[Chunk]:
    """Cut where paragraphs, lines and words end, over headings and all."""
    with patch("carrel.ingestion.chunk.outline", _one_section):
        return ours(text)


def _one_section(text: str) -> tuple[list[Section], TableHeaders]:
    return [Section(0, 0, len(text), ())], TableHeaders([])


def text_alone(piece: Chunk) -> str:
    return piece.text


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to cut; what is embedded of a chunk; whether broken passages are completed."""

    name: str
    cut: Cut = ours
    embedded: Callable[[Chunk], str] = as_embedded
    completes: bool = True


CHOICES = (
    Choice("as it is: 200 tokens, overlap 40"),
    Choice("not completed from neighbours", completes=False),
    Choice("overlap 0", partial(ours, overlap=0)),
    Choice("overlap 80", partial(ours, overlap=80)),
    Choice("100 tokens, overlap 20", partial(ours, tokens=100, overlap=20)),
    Choice("400 tokens, overlap 80", partial(ours, tokens=400, overlap=80)),
    Choice("embedded without headings", embedded=text_alone),
    Choice("over headings, lists and tables alike", without_sections),
    Choice("windows of 800 characters", windows, text_alone, completes=False),
)


def load_articles(folder: Path) -> Dataset:
    """XQuAD's articles as whole documents, with a heading, and where each answer stands."""
    written = json.loads((folder / "xquad/xquad.en.json").read_text("utf-8"))["data"]
    documents: dict[str, str] = {}
    questions: list[Question] = []
    for article in written:
        name = article["title"]
        text = f"# {name.replace('_', ' ')}\n"
        for paragraph in article["paragraphs"]:
            text += "\n"
            questions += (_question(name, len(text), qa) for qa in paragraph["qas"])
            text += paragraph["context"] + "\n"
        documents[name] = text
    return Dataset("XQuAD's articles", documents, tuple(questions))


def _question(document: str, offset: int, qa: dict) -> Question:
    start = offset + qa["answers"][0]["answer_start"]
    end = start + len(qa["answers"][0]["text"])
    return Question(qa["question"], (Span(document, start, end),))


async def ranked(corpus: Corpus, question: str, choice: Choice) -> list[Passage]:
    """The passages of *corpus* that an answer to *question* would be written from, best first."""
    passages = choose(await corpus.passages(question, LISTED), LISTED)
    if choice.completes and (broken := gaps(passages)):
        chunks = await corpus.vectors.fetch([gap.neighbour for gap in broken])
        passages = completed(passages, broken, chunks)
    return passages


def first(passages: Sequence[Passage], tokens: int, count: Callable[[str], int]) -> list[Passage]:
    """As many of *passages* as are that long; of the last one its beginning, by its share."""
    kept: list[Passage] = []
    for passage in passages:
        cost = count(passage.text)
        if cost > tokens:
            end = len(passage.text) * tokens // cost
            cut = {"text": passage.text[:end], "end": passage.start + end}
            return [*kept, replace(passage, **cut)]
        kept.append(passage)
        tokens -= cost
    return kept


def covered(evidence: Sequence[Span], passages: Sequence[Passage]) -> float:
    """The share of the evidence's characters that stand in *passages*."""
    wanted = {(each.document, at) for each in evidence for at in range(each.start, each.end)}
    held = {
        (each.document_id, at)
        for each in passages
        for span in evidence
        if span.document == each.document_id
        for at in range(max(each.start, span.start), min(each.end, span.end))
    }
    return len(wanted & held) / len(wanted)


async def by_evidence(data: Dataset, corpus: Corpus, choice: Choice) -> list[float]:
    """By budget: the share of the evidence that is given, of all questions."""
    found = [(each, await ranked(corpus, each.text, choice)) for each in data.questions]
    count = corpus.embedder.count_tokens
    return [
        fmean(covered(each.evidence, first(passages, tokens, count)) for each, passages in found)
        for tokens in BUDGETS
    ]


async def by_words(
    asked: Sequence[Sample], corpora: dict[str, Corpus], choice: Choice
) -> list[float]:
    """By budget: the share of questions of which all expected words are given."""
    found = [(each, await ranked(corpora[each.tenant], each.question, choice)) for each in asked]
    count = corpora[TENANTS[0]].embedder.count_tokens
    return [
        fmean(_holds(first(passages, tokens, count), each.contains) for each, passages in found)
        for tokens in BUDGETS
    ]


def _holds(passages: Sequence[Passage], words: Sequence[str]) -> bool:
    said = plain(" ".join(f"{each.heading} {each.text}" for each in passages))
    return all(plain(each) in said for each in words)


async def measure(choice: Choice, data: Path) -> dict[str, list[float]]:
    articles, chunkeval = load_articles(data), load_chunkeval(data)
    demo, asked = await texts_of(), [each for each in samples() if each.contains]
    made = {"cut": choice.cut, "embedded": choice.embedded}
    async with vector_store() as store:
        whole = await index(store, "articles", articles.documents, **made)
        corpora = await index(store, "chunkeval", chunkeval.documents, **made)
        companies = {name: await index(store, name, demo[name], **made) for name in TENANTS}
        return {
            "XQuAD's articles": await by_evidence(articles, whole, choice),
            "chunkeval": await by_evidence(chunkeval, corpora, choice),
            "demo's companies": await by_words(asked, companies, choice),
        }


async def run() -> None:
    data = data_folder()
    found = {choice.name: await measure(choice, data) for choice in CHOICES}
    table = Table(title=f"Evidence within the first {' and '.join(map(str, BUDGETS))} tokens")
    for column in ("", *next(iter(found.values()))):
        table.add_column(column, justify="right" if column else "left")
    for name, figures in found.items():
        shares = ("  ".join(f"{each:.1%}" for each in shares) for shares in figures.values())
        table.add_row(name, *shares)
    Console().print(table)
    write_json({"machine": machine(), "tokens": BUDGETS, "choices": found}, WRITTEN)


if __name__ == "__main__":
    asyncio.run(run())
