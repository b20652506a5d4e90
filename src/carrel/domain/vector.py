"""Vectors: the two forms in which a text is found again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DenseVector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Token ids with their weights, in the same order."""

    indices: list[int]
    values: list[float]
