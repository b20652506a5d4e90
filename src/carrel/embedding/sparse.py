"""BM25 as sparse vectors: weights of a text's stems, without the IDF.

The IDF is the store's to add, over one tenant's chunks. Token ids are those
of Qdrant's own BM25, so every store can hold them.
"""

import time
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from carrel.domain.vector import SparseVector
from carrel.embedding.synonyms import Synonyms, Thesaurus

if TYPE_CHECKING:
    from qdrant_edge import Bm25

# Mean number of stems, stop words removed, in chunks of at most 200 tokens: 56 in
# English (chunkeval and XQuAD alike), 60 at the median, 40 in German.
AVERAGE_LENGTH = 60.0
# Chunks are short and of one length, so a stem's second occurrence says little:
# from the usual k = 1.2, b = 0.75, nDCG@10 rose by .003 (XQuAD) and .015 (chunkeval).
_SATURATION = 0.5
_LENGTH_PENALTY = 0.35
_SYNONYM = 0.4  # what a synonym is worth, against the question's own word

_WORD = 24  # characters: words are worth remembering, sentences are not asked for twice


class Bm25Encoder:
    """Encodes questions and chunks with the stemmer and stop words of *language*.

    *average_length* is the mean number of stems of a chunk, BM25's `avgdl`.
    """

    def __init__(
        self, language: str = "english", *, average_length: float = AVERAGE_LENGTH
    ) -> None:
        self._language = language
        self._average_length = average_length
        self._terms_of_word = lru_cache(maxsize=16_384)(self._terms)

    @property
    def language(self) -> str:
        """The language whose stems these are."""
        return self._language

    @cached_property
    def _thesaurus(self) -> Thesaurus:
        return Thesaurus(self.terms, self._language)

    @cached_property
    def _bm25(self) -> "Bm25":
        from qdrant_edge import Bm25, Bm25Config

        return Bm25(
            Bm25Config(
                language=self._language,
                avg_len=self._average_length,
                k=_SATURATION,
                b=_LENGTH_PENALTY,
            )
        )

    def embed_query(self, text: str) -> SparseVector:
        """Each distinct stem of *text* with weight 1, and those of its synonyms with less."""
        weights = dict.fromkeys(self.terms(text), 1.0)
        for phrases in self.synonyms(frozenset(weights)).values():
            for phrase in phrases:
                for stem in phrase:
                    weights.setdefault(stem, _SYNONYM)
        return SparseVector(list(weights), list(weights.values()))

    def embed_document(self, text: str) -> SparseVector:
        """Each distinct stem of *text* with its saturated frequency."""
        vector = self._bm25.embed_document(text)
        return SparseVector(list(vector.indices), list(vector.values))

    def embed_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """`embed_document` of each text, in order; meant for a worker thread."""
        vectors: list[SparseVector] = []
        for text in texts:
            vectors.append(self.embed_document(text))
            # The encoder holds the GIL: unless it is offered after each text, an
            # event loop in another thread waits up to 10 ms for its turn.
            time.sleep(0)
        return vectors

    def synonyms(self, question: frozenset[int]) -> Synonyms:
        """What else says the same as stems of *question*."""
        return self._thesaurus.of(question)

    def terms(self, text: str) -> frozenset[int]:
        """The ids of the stems of *text*, without its stop words."""
        return self._terms_of_word(text) if len(text) <= _WORD else self._terms(text)

    def _terms(self, text: str) -> frozenset[int]:
        return frozenset(self._bm25.embed_query(text).indices)
