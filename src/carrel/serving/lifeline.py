"""A child's tie to its supervisor: a socket on standard input that ends with the supervisor."""

import asyncio
import contextlib
import os
import socket
import stat
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


def say_ready() -> None:
    """Tell the supervisor, if there is one, that this process does its work from here on."""
    descriptor = sys.stdin.fileno()
    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):  # else someone started it by hand
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as lifeline:
            lifeline.send(b"r", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
