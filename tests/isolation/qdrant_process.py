"""A process that answers as a Qdrant server: prints its port, and ends with its standard input."""

import asyncio
import sys
from collections import deque

from tests.contract.qdrant_wire import WireQdrant, listening


async def main() -> None:
    qdrant = WireQdrant()
    # Both note all that they are asked, and nobody looks: after 100,000 requests that is a lot.
    qdrant.messages = qdrant.local.requests = deque(maxlen=0)
    async with listening(qdrant) as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
