"""How often a question is refused: asked of its own corpus, and of another one.

`fit` gives the weights that carrel.retrieval.relevance holds, rounded there.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from bench.retrieval.corpus import Corpus

from carrel.retrieval.relevance import Evidence, evidence, is_relevant

WRONGLY_REFUSED = 0.04


@dataclass(frozen=True, slots=True)
class Trial:
    """Questions put to one corpus, which can answer either all of them or none."""

    name: str
    answerable: bool
    refused: float
    evidence: tuple[Evidence, ...]


async def put(
    name: str, asked: Iterable[tuple[Corpus, Sequence[str]]], *, answerable: bool
) -> Trial:
    """The share of the questions that is refused, and the evidence found for each."""
    found: list[Evidence] = []
    refused = 0
    for corpus, questions in asked:
        for question in questions:
            passages = await corpus.passages(question, 8)
            found.append(evidence(question, passages, corpus.bm25))
            refused += not is_relevant(
                question, passages, corpus.bm25, identity=corpus.embedder.identity
            )
    return Trial(name, answerable, refused / len(found), tuple(found))


def fit(trials: Sequence[Trial]) -> tuple[list[float], float]:
    """The weights of cosine, coverage, named and shared, and the least log-odds to accept.

    A logistic regression in which each trial weighs the same, by Newton's method;
    the least log-odds refuses `WRONGLY_REFUSED` of what can be answered.
    """
    rows = np.array([_features(found) for trial in trials for found in trial.evidence])
    answerable = np.array([trial.answerable for trial in trials for _ in trial.evidence], float)
    sides = {side: sum(trial.answerable == side for trial in trials) for side in (True, False)}
    weight = np.array(
        [1 / len(t.evidence) / sides[t.answerable] for t in trials for _ in t.evidence]
    )
    beta = np.zeros(rows.shape[1])
    for _ in range(50):
        odds = 1 / (1 + np.exp(-rows @ beta))
        slope = rows.T @ (weight * (answerable - odds)) - 1e-4 * beta
        curve = (rows * (weight * odds * (1 - odds))[:, None]).T @ rows
        beta += np.linalg.solve(curve + 1e-4 * np.eye(len(beta)), slope)
    scores = (rows @ beta - beta[-1])[answerable == 1]
    order = np.argsort(scores)
    refused = np.cumsum(weight[answerable == 1][order])
    return beta[:-1].tolist(), float(scores[order][np.searchsorted(refused, WRONGLY_REFUSED)])


def _features(found: Evidence) -> tuple[float, ...]:
    return (found.cosine, found.coverage, found.named, math.log1p(found.shared), 1.0)
