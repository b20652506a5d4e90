"""Made-up chunks that lie as real ones do: in documents, about topics, in words rare and frequent.

The same data set has the same chunks in every process: all randomness is seeded
by its name and the number of the block.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from bench.tenancy.plan import DIMENSIONS, Dataset

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

BLOCK = 5_000
CHUNKS_PER_DOCUMENT = 20
TOPICS = 512
VOCABULARY = 30_000
WORDS_PER_CHUNK = 60
WORDS_PER_QUERY = 6


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive chunks: their numbers, unit vectors, and the words of each."""

    rows: Ints
    dense: Floats
    words: list[Ints]


@dataclass(frozen=True)
class Corpus:
    dataset: Dataset

    @cached_property
    def sizes(self) -> Ints:
        """Chunks of each tenant, largest first; by Zipf's law with exponent 1 where skewed."""
        chunks, tenants = self.dataset.chunks, self.dataset.tenants
        rank = np.arange(1, tenants + 1)
        weights = 1 / rank if self.dataset.skewed else np.ones(tenants)
        sizes = np.maximum(1, np.floor(weights / weights.sum() * chunks).astype(np.int64))
        sizes[0] += chunks - sizes.sum()
        return sizes

    @cached_property
    def documents(self) -> tuple[Ints, Ints]:
        """The tenant and the document of each chunk. Documents arrive in any order, each whole."""
        per_tenant = -(-self.sizes // CHUNKS_PER_DOCUMENT)
        tenant = np.repeat(np.arange(len(self.sizes)), per_tenant)
        length = np.full(len(tenant), CHUNKS_PER_DOCUMENT)
        length[np.cumsum(per_tenant) - 1] = self.sizes - CHUNKS_PER_DOCUMENT * (per_tenant - 1)
        arrival = self.random("arrival").permutation(len(tenant))
        return (
            np.repeat(tenant[arrival], length[arrival]),
            np.repeat(np.arange(len(tenant)), length[arrival]),
        )

    def blocks(self) -> Iterator[Block]:
        for start in range(0, self.dataset.chunks, BLOCK):
            yield self._block(start)

    def random(self, *purpose: str | int) -> np.random.Generator:
        """A generator that is the same for this data set and purpose, in every process."""
        return np.random.default_rng(zlib.crc32(f"{self.dataset.name} {purpose}".encode()))

    def _block(self, start: int) -> Block:
        rows = np.arange(start, min(start + BLOCK, self.dataset.chunks))
        random = self.random("block", start)
        words = [words_of(random, WORDS_PER_CHUNK) for _ in rows]
        return Block(rows, self._dense(rows, random), words)

    def _dense(self, rows: Ints, random: np.random.Generator) -> Floats:
        # Cosines of about 0.8 within a document, 0.6 within a topic, 0 beyond.
        topics = _unit(np.random.default_rng(1).standard_normal((TOPICS, DIMENSIONS)))
        tenant, document = (column[rows] for column in self.documents)
        known = np.minimum(TOPICS, 4 + self.sizes[tenant] // 100)
        # A large prime's multiples, so that tenants share topics, but not all of them.
        topic = (tenant * 7_919 + (document * 2_654_435_761 % known) * 104_729) % TOPICS
        unique, place = np.unique(document, return_inverse=True)
        gists = np.stack([self._gist(int(number)) for number in unique])
        own = _unit(random.standard_normal((len(rows), DIMENSIONS)))
        return _unit(topics[topic] + 0.6 * gists[place] + 0.6 * own)

    def _gist(self, document: int) -> npt.NDArray[np.float64]:
        # By number, since a document may lie in two blocks.
        return _unit(np.random.default_rng(document).standard_normal((1, DIMENSIONS)))[0]


def near(vectors: Floats, random: np.random.Generator) -> Floats:
    """Questions about these chunks: cosine of about 0.9 to them."""
    return _unit(vectors + 0.5 * _unit(random.standard_normal(vectors.shape)))


def words_of(random: np.random.Generator, draws: int) -> Ints:
    """Distinct words, frequent ones more often, as term numbers in order."""
    return np.unique((random.pareto(1, draws) * 50).astype(np.int64) % VOCABULARY)


def _unit(vectors: npt.NDArray[np.floating]) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
