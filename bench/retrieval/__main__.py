"""Measures retrieval, refusals and extractive answers: `python -m bench.retrieval [DATA]`."""

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from bench.retrieval import answers, quality, refusal
from bench.retrieval.corpus import Corpus, index, vector_store
from bench.retrieval.datasets import (
    DataMissing,
    Dataset,
    Question,
    data_folder,
    load_chunkeval,
    load_xquad,
)

from carrel.vectors.edge.store import EdgeVectorStore

GERMAN = (("german", "de"), ("english", "de-as-english"))
SAMPLE = 200


def row(what: str, value: str, goal: str = "") -> None:
    print(f"{what:<58} {value:>9}  {goal}", flush=True)


async def measure_search(store: EdgeVectorStore, folder: Path) -> dict[str, Corpus]:
    """nDCG@10 of all data sets; the corpora, for what comes next."""
    corpora: dict[str, Corpus] = {}
    english, german, chunkeval = (
        load_xquad(folder),
        load_xquad(folder, "de"),
        load_chunkeval(folder),
    )
    corpora["en"] = await index(store, "xquad-en", english.documents)
    found = await quality.documents_found(english, corpora["en"].search_documents)
    row("xquad-en, nDCG@10", f"{found:.4f}", "goal 0.965")
    for language, name in GERMAN:
        corpora[name] = await index(store, f"xquad-{name}", german.documents, language=language)
        found = await quality.documents_found(german, corpora[name].search_documents)
        row(f"xquad-de, {language} stems, nDCG@10", f"{found:.4f}")
    corpora["all"] = everything = await index(store, "chunkeval", chunkeval.documents)
    found = await quality.chunks_found(chunkeval, everything.search, everything.spans)
    row("chunkeval, five corpora in one tenant, nDCG@10", f"{found:.4f}", "goal 0.765")
    scores: list[float] = []
    for name, text in chunkeval.documents.items():
        corpora[name] = own = await index(store, f"chunkeval-{name}", {name: text})
        found = await quality.chunks_found(chunkeval, own.search, own.spans, group=name)
        scores += [found] * len(asked_of(chunkeval, {name}))
    row("chunkeval, each corpus a tenant, nDCG@10", f"{fmean(scores):.4f}")
    return corpora


async def measure_refusals(
    store: EdgeVectorStore, folder: Path, corpora: dict[str, Corpus], *, fit: bool
) -> None:
    """The share of questions refused, where they can be answered and where they can't."""
    trials: list[refusal.Trial] = []

    async def put(name: str, *asked: tuple[Corpus, list[str]], answerable: bool) -> None:
        if not fit:
            asked = tuple((corpus, drawn(texts, SAMPLE // len(asked))) for corpus, texts in asked)
        trial = await refusal.put(name, asked, answerable=answerable)
        goal = "goal at most 5%" if answerable else "goal at least 90%"
        row(f"refused: {name}", f"{trial.refused:.1%}", goal)
        trials.append(trial)

    english, german = load_xquad(folder), load_xquad(folder, "de")
    for language, dataset in (("english", english), ("german", german), ("english", german)):
        name = f"{dataset.name}, {language} stems"
        half, other = split(dataset)
        corpus = await index(store, f"half of {name}", half.documents, language=language)
        await put(f"{name}, of its own half", (corpus, texts(half.questions)), answerable=True)
        await put(f"{name}, of the other", (corpus, texts(other.questions)), answerable=False)
    chunkeval = load_chunkeval(folder)
    own = {name: asked_of(chunkeval, {name}) for name in chunkeval.documents}
    others = {name: asked_of(chunkeval, set(own) - {name}) for name in own}
    await put(
        "chunkeval, of its own", (corpora["all"], texts(chunkeval.questions)), answerable=True
    )
    await put(
        "chunkeval, of another of its corpora",
        *((corpora[name], asked) for name, asked in others.items()),
        answerable=False,
    )
    await put("chunkeval, of xquad", (corpora["en"], texts(chunkeval.questions)), answerable=False)
    await put(
        "xquad-en, of chunkeval", (corpora["all"], texts(english.questions)), answerable=False
    )
    for answerable in (True, False):
        mean = fmean(trial.refused for trial in trials if trial.answerable == answerable)
        row(f"refused, mean: {'can' if answerable else 'cannot'} be answered", f"{mean:.1%}")
    if fit:
        weights, least = refusal.fit(trials)
        row("cosine, coverage, named, shared", " ".join(f"{weight:.2f}" for weight in weights))
        row("least", f"{least:.2f}")


async def measure_answers(folder: Path, corpora: dict[str, Corpus]) -> None:
    """What the extractive generator makes of XQuAD's questions."""
    for language, name, goal in (
        ("en", "en", "goal 75%"),
        *(("de", name, "") for _, name in GERMAN),
    ):
        made = await answers.answer(corpora[name], load_xquad(folder, language).questions)
        row(f"extractive answers right, xquad-{name}", f"{made.right:.1%}", goal)
        row("  words, median", f"{made.words:.0f}")
        row("  milliseconds, median", f"{made.milliseconds:.2f}", "goal 5")


def split(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """Every other article with its questions, and the rest."""
    groups = sorted({question.group for question in dataset.questions})
    return tuple(  # type: ignore[return-value]
        Dataset(
            dataset.name,
            {k: v for k, v in dataset.documents.items() if k.split("/")[0] in half},
            tuple(question for question in dataset.questions if question.group in half),
        )
        for half in (set(groups[::2]), set(groups[1::2]))
    )


def asked_of(dataset: Dataset, groups: set[str]) -> list[str]:
    return [question.text for question in dataset.questions if question.group in groups]


def texts(questions: Sequence[Question]) -> list[str]:
    return [question.text for question in questions]


def drawn(questions: list[str], count: int) -> list[str]:
    return random.Random(11).sample(questions, min(count, len(questions)))


async def main(folder: Path, *, fit: bool) -> None:
    async with vector_store() as store:
        corpora = await measure_search(store, folder)
        await measure_refusals(store, folder, corpora, fit=fit)
        await measure_answers(folder, corpora)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="the folder with xquad and chunkeval")
    parser.add_argument("--fit", action="store_true", help="fit the relevance weights anew")
    options = parser.parse_args()
    try:
        chosen = data_folder(options.data)
    except DataMissing as missing:
        sys.exit(str(missing))
    asyncio.run(main(chosen, fit=options.fit))
