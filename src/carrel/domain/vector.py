"""Vectors: the two forms in which a text is found again."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # half of the processes never touch a dense vector: they need no numpy
    import numpy as np
    from numpy.typing import NDArray

DenseVector: TypeAlias = "NDArray[np.float32]"


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Token ids with their weights, in the same order."""

    indices: list[int]
    values: list[float]
