"""A process that answers as a Qdrant server: prints its port, and ends with its standard input."""

import asyncio
import sys
from collections import deque
from typing import Any
from unittest.mock import patch

import numpy as np
from tests.contract.qdrant_wire import WireQdrant, listening


async def main() -> None:
    qdrant = WireQdrant()
    # Both note all that they are asked, and nobody looks: after 100,000 requests that is a lot.
    qdrant.messages = qdrant.local.requests = deque(maxlen=0)
    scores = patch("qdrant_client.local.local_collection.calculate_distance", cosines)
    async with listening(qdrant) as port:
        scores.start()
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def cosines(query: np.ndarray, vectors: np.ndarray, distance: Any) -> np.ndarray:
    """Each score from its own vector alone, to the bit.

    Local mode's own multiplies a matrix, in which the last bits of a row depend on how many rows
    there are; and normalises, at every search, what was normalised when it was stored.
    """
    return (vectors * (query / np.linalg.norm(query))).sum(axis=1)


if __name__ == "__main__":
    asyncio.run(main())
