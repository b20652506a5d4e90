"""The port through which texts become dense vectors.

Vectors of one `identity` are comparable with each other and with no others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from carrel.domain.errors import CarrelError
from carrel.domain.vector import DenseVector

# Of the embedder that is there without settings; see `static`.
DEFAULT_DIMENSIONS = 256
DEFAULT_IDENTITY = f"static:wordllama-l2-supercat:{DEFAULT_DIMENSIONS}"


class EmbedderMisconfigured(CarrelError):
    """The embedder that the settings name cannot be had; the message says what to change."""


@dataclass(slots=True)
class Meter:
    """Counts the tokens that a caller had embedded: as the model's service reports them,
    else by its tokenizer.
    """

    tokens: int = 0


class Embedder(Protocol):
    """Turns texts into unit vectors whose dot product is their cosine.

    Embedding may raise `Unavailable` where the model is another service, and
    `InvalidRequest` where that service will not have a text. Tokens are added to the
    *meter* that a caller brings.
    """

    @property
    def identity(self) -> str:
        """`kind:model:dimensions`, and what else changes the vectors of documents.

        Texts must be embedded again when it changes.
        """
        ...

    @property
    def dimensions(self) -> int: ...

    @property
    def priced_as(self) -> str | None:
        """The model's name in a list of prices; None: its tokens cost nothing."""
        ...

    async def embed_query(self, text: str, meter: Meter | None = None) -> DenseVector:
        """The vector of a question: `(dimensions,)`, float32, length 1 (0 for an empty text)."""
        ...

    async def embed_documents(
        self, texts: Sequence[str], meter: Meter | None = None
    ) -> list[DenseVector]:
        """The vectors of *texts*, in their order, each as `embed_query` returns it."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens the model reads in *text*, to a good approximation."""
        ...

    async def close(self) -> None:
        """Release connections or memory."""
        ...


def identity_of(kind: str, model: str, dimensions: int, document_prefix: str = "") -> str:
    """The identity of an embedder. A prefix of documents is part of what their vectors are."""
    prefix = f":{document_prefix}" if document_prefix else ""
    return f"{kind}:{model}:{dimensions}{prefix}"
