"""A child's tie to its supervisor: a pipe on standard input that ends with the supervisor."""

import asyncio
import os
import sys
from collections.abc import Callable

INVALID_SETTINGS = 78  # EX_CONFIG of sysexits(3): starting the child again would not help


def on_parent_death(then: Callable[[], object]) -> None:
    """Call *then* once, in the running event loop, when standard input ends."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def read() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            then()

    loop.add_reader(descriptor, read)
