"""The port through which texts become dense vectors.

Vectors of one `identity` are comparable with each other and with no others.
"""

from collections.abc import Sequence
from typing import Protocol

from carrel.domain.vector import DenseVector


class Embedder(Protocol):
    """Turns texts into unit vectors whose dot product is their cosine.

    Embedding may raise `Unavailable` where the model is another service.
    """

    @property
    def identity(self) -> str:
        """`kind:model:dimensions`; texts must be embedded again when it changes."""
        ...

    @property
    def dimensions(self) -> int: ...

    async def embed_query(self, text: str) -> DenseVector:
        """The vector of a question: `(dimensions,)`, float32, length 1 (0 for an empty text)."""
        ...

    async def embed_documents(self, texts: Sequence[str]) -> list[DenseVector]:
        """The vectors of *texts*, in their order, each as `embed_query` returns it."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens the model reads in *text*."""
        ...

    async def close(self) -> None:
        """Release connections or memory."""
        ...
