"""`python -m bench.retrieval.calibrate [KIND]`: fit the weights of carrel.retrieval.calibration.

KIND is static (the default) or onnx. Questions are asked of their own corpus, and of one that
cannot answer them; a regression tells the two apart, one for each language. The demo's
questions count half: they are few, and the only ones in other words than the text's.
"""

import asyncio
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from bench.retrieval.corpus import Corpus, index, vector_store
from bench.retrieval.datasets import data_folder, load_chunkeval, load_xquad
from bench.retrieval.embedders import opened
from bench.retrieval.product import halves
from bench.retrieval.samples import samples, texts_of
from numpy.typing import NDArray

from carrel.embedding.embedder import Embedder
from carrel.retrieval.calibration import Calibration, Evidence, features
from carrel.retrieval.relevance import evidence
from carrel.vectors.edge.store import EdgeVectorStore

WRONGLY_REFUSED = 0.045
SAMPLES = "the demo's companies"
_SAMPLES_WEIGH = 0.5
_ASKED = 500


@dataclass(frozen=True, slots=True)
class Trial:
    """What was found for questions that a corpus can all answer, or none of them."""

    name: str
    answerable: bool
    found: tuple[Evidence, ...]

    @property
    def rows(self) -> NDArray[np.float64]:
        return np.array([features(each) for each in self.found])

    def refused(self, calibration: Calibration) -> float:
        return sum(not calibration.accepts(each) for each in self.found) / len(self.found)


async def english_trials(store: EdgeVectorStore, embedder: Embedder) -> list[Trial]:
    data = data_folder()
    english, chunkeval = load_xquad(data), load_chunkeval(data)
    half, other = halves(english)

    async def indexed(name: str, documents: Mapping[str, str]) -> Corpus:
        return await index(store, name, documents, embedder=embedder)

    own = {
        name: [q.text for q in chunkeval.questions if q.group == name]
        for name in chunkeval.documents
    }
    everything = await indexed("chunkeval", chunkeval.documents)
    paragraphs = await indexed("xquad", english.documents)
    part = await indexed("half", half.documents)
    trials = [
        await put("xquad-en", part, [q.text for q in half.questions], answerable=True),
        await put("xquad-en", part, [q.text for q in other.questions], answerable=False),
        await put("chunkeval", everything, _texts(own), answerable=True),
        await put("chunkeval of xquad-en", paragraphs, _texts(own), answerable=False),
        await put(
            "xquad-en of chunkeval",
            everything,
            [q.text for q in english.questions],
            answerable=False,
        ),
    ]
    alone, strange = [], []
    for name, text in chunkeval.documents.items():
        corpus = await indexed(f"chunkeval-{name}", {name: text})
        others = [q for group, asked in own.items() if group != name for q in asked]
        alone.append(await put(name, corpus, own[name], answerable=True, most=100))
        strange.append(await put(name, corpus, others, answerable=False, most=100))
    trials += [
        Trial("chunkeval, each alone", True, tuple(e for each in alone for e in each.found)),
        Trial("chunkeval, of another", False, tuple(e for each in strange for e in each.found)),
    ]
    return trials + await sample_trials(store, embedder)


async def german_trials(store: EdgeVectorStore, embedder: Embedder) -> list[Trial]:
    half, other = halves(load_xquad(data_folder(), "de"))
    corpus = await index(store, "german", half.documents, language="german", embedder=embedder)
    return [
        await put("xquad-de", corpus, [q.text for q in half.questions], answerable=True),
        await put("xquad-de", corpus, [q.text for q in other.questions], answerable=False),
    ]


async def sample_trials(store: EdgeVectorStore, embedder: Embedder) -> list[Trial]:
    found: dict[bool, list[Evidence]] = {True: [], False: []}
    for tenant, documents in (await texts_of()).items():
        corpus = await index(store, f"sample-{tenant}", documents, embedder=embedder)
        for each in samples():
            if each.tenant == tenant:
                passages = await corpus.passages(each.question, 8)
                answerable = each.kind != "unanswerable"
                found[answerable].append(evidence(each.question, passages, corpus.bm25))
    return [Trial(SAMPLES, answerable, tuple(each)) for answerable, each in found.items()]


async def put(
    name: str, corpus: Corpus, questions: Sequence[str], *, answerable: bool, most: int = _ASKED
) -> Trial:
    """The evidence found in *corpus* for at most *most* of the questions."""
    drawn = random.Random(3).sample(list(questions), min(most, len(questions)))
    found = [evidence(each, await corpus.passages(each, 8), corpus.bm25) for each in drawn]
    return Trial(name, answerable, tuple(found))


def fit(trials: Sequence[Trial]) -> Calibration:
    """A logistic regression in which each trial weighs the same, by Newton's method.

    `least` refuses, of no answerable trial but the samples, more than `WRONGLY_REFUSED`.
    """
    sides = {side: sum(each.answerable == side for each in trials) for side in (True, False)}
    rows = np.concatenate([np.c_[each.rows, np.ones(len(each.found))] for each in trials])
    wanted = np.concatenate([np.full(len(each.found), float(each.answerable)) for each in trials])
    weight = np.concatenate(
        [
            np.full(
                len(each.found),
                (_SAMPLES_WEIGH if each.name == SAMPLES else 1)
                / len(each.found)
                / sides[each.answerable],
            )
            for each in trials
        ]
    )
    beta = np.zeros(rows.shape[1])
    for _ in range(60):
        odds = 1 / (1 + np.exp(-rows @ beta))
        slope = rows.T @ (weight * (wanted - odds)) - 1e-4 * beta
        curve = (rows * (weight * odds * (1 - odds))[:, None]).T @ rows
        beta += np.linalg.solve(curve + 1e-4 * np.eye(len(beta)), slope)
    weights = [round(float(each), 1) for each in beta[:-1]]
    least = min(
        float(np.quantile(each.rows @ weights, WRONGLY_REFUSED))
        for each in trials
        if each.answerable and each.name != SAMPLES
    )
    return Calibration(*weights, least=round(least, 2))


def _texts(groups: Mapping[str, Sequence[str]]) -> list[str]:
    return [text for texts in groups.values() for text in texts]


async def main(kind: str) -> None:
    async with opened(kind) as embedder, vector_store(embedder.dimensions) as store:
        for language, gather in (("english", english_trials), ("german", german_trials)):
            trials = await gather(store, embedder)
            fitted = fit(trials)
            print(f"{embedder.identity}, {language}: {astuple(fitted)}")
            for each in trials:
                what = "can be answered" if each.answerable else "cannot"
                print(f"  refused: {each.name:<28} {what:<16} {each.refused(fitted):.1%}")


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or ["static"])))
