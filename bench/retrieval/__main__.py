"""Measures retrieval, refusals and extractive answers: `python -m bench.retrieval [DATA]`."""

import argparse
import asyncio
import random
import sys
from collections.abc import Iterable, Sequence
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
        scores += [found] * len(asked(chunkeval.questions, {name}))
    row("chunkeval, each corpus a tenant, nDCG@10", f"{fmean(scores):.4f}")
    return corpora


async def measure_refusals(
    store: EdgeVectorStore, folder: Path, corpora: dict[str, Corpus], *, fit: bool
) -> None:
    """The share of questions refused, where they can be answered and where they can't."""
    trials: list[refusal.Trial] = []

    async def put(name: str, corpus: str, questions: Iterable[str], *, answerable: bool) -> None:
        drawn = list(questions)
        if not fit:
            drawn = random.Random(11).sample(drawn, min(SAMPLE, len(drawn)))
        trial = await refusal.put(name, corpora[corpus], drawn, answerable=answerable)
        goal = "goal at most 5%" if answerable else "goal at least 90%"
        row(f"refused: {name}", f"{trial.refused:.1%}", goal if "as English" not in name else "")
        trials.append(trial)

    sets = {"en": load_xquad(folder), "de": load_xquad(folder, "de")}
    for language, name, key in (
        ("english", "xquad-en", "en"),
        ("german", "xquad-de", "de"),
        ("english", "xquad-de as English", "de"),
    ):
        halves = split(sets[key])
        for number, half in enumerate(halves):
            corpora[f"{name}/{number}"] = await index(
                store, f"half-{name}-{number}", half.documents, language=language
            )
        texts = [[question.text for question in half.questions] for half in halves]
        await put(f"{name}, its own half", f"{name}/0", texts[0], answerable=True)
        await put(f"{name}, the other half", f"{name}/0", texts[1], answerable=False)
    chunkeval = load_chunkeval(folder)
    asked_of_chunkeval = [question.text for question in chunkeval.questions]
    asked_of_xquad = [question.text for question in sets["en"].questions]
    await put("chunkeval, its own corpora", "all", asked_of_chunkeval, answerable=True)
    await put("chunkeval, asked of xquad", "en", asked_of_chunkeval, answerable=False)
    await put("xquad-en, asked of chunkeval", "all", asked_of_xquad, answerable=False)
    for name in chunkeval.documents:
        own = asked(chunkeval.questions, {name})
        await put(f"chunkeval/{name}, its own", name, own, answerable=True)
        others = asked(chunkeval.questions, set(chunkeval.documents) - {name})
        await put(f"chunkeval/{name}, of the others", name, others, answerable=False)
    for answerable in (True, False):
        mean = fmean(trial.refused for trial in trials if trial.answerable == answerable)
        row(f"refused, mean: {'can' if answerable else 'cannot'} be answered", f"{mean:.1%}")
    if fit:
        weights, least = refusal.fit(trials)
        print("cosine, coverage, named, shared:", [round(w, 2) for w in weights], "least:", least)


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


def asked(questions: Sequence[Question], groups: set[str]) -> list[str]:
    return [question.text for question in questions if question.group in groups]


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
