"""How many connections each API process of this host has, where all of them see it.

A table of counts that the supervisor makes and its children map, one place for each. A
wrong count, of a process that was killed say, costs the others some milliseconds.
"""

import mmap
import os
import sys
import tempfile
from collections.abc import Callable

_ABSENT = 2**32 - 1
# So many more than the least busy process a process may have, and takes what comes at once.
SLACK = 2


def new_table(places: int) -> int:
    """A descriptor of a table with so many places, all of them free; for children to inherit."""
    with tempfile.TemporaryFile() as file:
        file.write(_ABSENT.to_bytes(4, sys.byteorder) * places)
        file.flush()
        return os.dup(file.fileno())


class Balance:
    """One process's place in the table *descriptor*; *count* tells what it has."""

    def __init__(self, descriptor: int, place: int, count: Callable[[], int]) -> None:
        self._counts = memoryview(mmap.mmap(descriptor, 0)).cast("I")
        self._place = place
        self._count = count
        self.publish()

    def publish(self) -> int:
        """Tell the others how many connections there are here."""
        self._counts[self._place] = count = self._count()
        return count

    def withdraw(self) -> None:
        """Tell the others that this process takes no more."""
        self._counts[self._place] = _ABSENT

    def excess(self) -> int:
        """How many connections this process has more than it should, by those of the others."""
        return max(0, self.publish() - min(self._counts) - SLACK)
