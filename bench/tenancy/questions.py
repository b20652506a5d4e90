"""Queries with their exact answers, found by comparing with every chunk; kept in a file.

`python -m bench.tenancy.questions DATASET FOLDER COUNT`. Half of the queries
come from tenants in proportion to their size, half from any tenant alike, so
that the smallest are measured too.
"""

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from bench.tenancy.corpus import WORDS_PER_QUERY, Corpus, Floats, Ints, near, words_of
from bench.tenancy.plan import Dataset

NEAREST = 10
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Questions:
    """One row a query; `nearest*` are chunk numbers, best first, -1 where a tenant has fewer."""

    tenant: Ints
    size: Ints  # chunks of the tenant
    dense: Floats
    words: Ints
    nearest: Ints  # of the tenant's chunks
    nearest_of_all: Ints

    def save(self, folder: Path) -> None:
        np.savez(
            folder / "questions.npz",
            **{field.name: getattr(self, field.name) for field in fields(self)},
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        with np.load(folder / "questions.npz") as kept:
            return cls(**kept)


def ask(dataset: Dataset, count: int) -> Questions:
    corpus = Corpus(dataset)
    random = corpus.random("questions")
    share = corpus.sizes / corpus.sizes.sum()
    tenants = np.concatenate(
        [
            random.choice(dataset.tenants, count // 2, p=share),
            random.choice(dataset.tenants, count - count // 2),
        ]
    )
    random.shuffle(tenants)
    chunks = np.concatenate([block.dense for block in corpus.blocks()])
    rows_of = _rows_by_tenant(corpus)
    about = np.array([random.choice(rows_of[tenant]) for tenant in tenants])
    dense = near(chunks[about], random)
    return Questions(
        tenant=tenants,
        size=corpus.sizes[tenants],
        dense=dense,
        words=np.stack([_words(random) for _ in tenants]),
        nearest=_nearest_within(chunks, rows_of, tenants, dense),
        nearest_of_all=_nearest_of_all(chunks, dense),
    )


def _words(random: np.random.Generator) -> Ints:
    while len(words := words_of(random, 2 * WORDS_PER_QUERY)) < WORDS_PER_QUERY:
        pass
    return np.sort(random.choice(words, WORDS_PER_QUERY, replace=False))


def _rows_by_tenant(corpus: Corpus) -> list[Ints]:
    tenant, _ = corpus.documents
    return np.split(np.argsort(tenant, kind="stable"), np.cumsum(corpus.sizes)[:-1])


def _nearest_within(chunks: Floats, rows_of: list[Ints], tenants: Ints, dense: Floats) -> Ints:
    found = np.full((len(tenants), NEAREST), -1)
    for tenant in np.unique(tenants):
        own = chunks[rows_of[tenant]]
        asked = np.flatnonzero(tenants == tenant)
        for some in np.array_split(asked, -(-len(asked) // _AT_ONCE)):
            order = _best(dense[some] @ own.T)
            found[some, : order.shape[1]] = rows_of[tenant][order]
    return found


def _nearest_of_all(chunks: Floats, dense: Floats) -> Ints:
    parts = np.array_split(dense, -(-len(dense) // _AT_ONCE))
    return np.concatenate([_best(part @ chunks.T) for part in parts])


def _best(scores: Floats) -> Ints:
    count = min(NEAREST, scores.shape[1])
    some = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1)
    return np.take_along_axis(some, order, axis=1)


if __name__ == "__main__":
    target = Path(sys.argv[2])
    ask(Dataset.parse(sys.argv[1]), int(sys.argv[3])).save(target)
