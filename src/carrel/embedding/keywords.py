"""BM25 over texts of several languages, side by side in one index.

Each chunk is stored by the stems of its own language; a question, by the stems of
every language that it may be in. A stem that no chunk has weighs nothing, so a
question loses little by one language too many, and all by one too few.
"""

import time
from collections.abc import Sequence
from functools import cache

from carrel.domain.vector import SparseVector
from carrel.embedding.languages import language_of, language_within, likely_languages
from carrel.embedding.sparse import Bm25Encoder

# Where a document's language is looked for: so many places in it, spread evenly.
_PLACES = 16
_PLACE_CHARACTERS = 250


class Keywords:
    """Encodes questions and chunks; it keeps nothing but encoders, which tenants may share."""

    def __init__(self) -> None:
        self._encoder = cache(Bm25Encoder)

    def embed_query(self, question: str) -> SparseVector:
        """The stems of *question* in each language that it may be in; the higher of two weights."""
        weights: dict[int, float] = {}
        for language in likely_languages(question):
            vector = self._encoder(language).embed_query(question)
            for stem, weight in zip(vector.indices, vector.values, strict=True):
                weights[stem] = max(weight, weights.get(stem, 0.0))
        return SparseVector(list(weights), list(weights.values()))

    def embed_documents(self, texts: Sequence[str], language: str) -> list[SparseVector]:
        """The chunks of a document in *language*, in order; meant for a worker thread."""
        vectors: list[SparseVector] = []
        for text in texts:
            own = language_within(text, language)
            vectors.append(self._encoder(own).embed_document(text))
            # As in `Bm25Encoder.embed_documents`: an event loop waits for the GIL.
            time.sleep(0)
        return vectors

    def for_question(self, question: str) -> Bm25Encoder:
        """The encoder of the likeliest language, to compare words of *question* and passages."""
        likely = likely_languages(question)
        return self._encoder(likely[0] if len(likely) == 1 else language_of(question))


def document_language(texts: Sequence[str]) -> str:
    """The language of the document whose chunks are *texts*."""
    step = max(1, len(texts) // _PLACES)
    return language_of("\n".join(text[:_PLACE_CHARACTERS] for text in texts[::step]))
