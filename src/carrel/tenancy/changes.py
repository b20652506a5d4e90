"""How every process hears that a key, a tenant or its groups have changed.

There is one mark for the whole deployment, in Redis: a random word, made anew by
each change. Whoever remembers callers reads it before it answers from memory, at
most every `CHECK_SECONDS`, and forgets them all when the mark is another one. No
message can be missed; a mark that Redis lost, or has from an old copy, is another
one, too.

While Redis does not answer, what is remembered ends by its age alone.
"""

import secrets
import time
from collections.abc import Callable
from typing import Any, Protocol

from carrel.domain.errors import CarrelError
from carrel.tenancy.sharing import Sharing

CHECK_SECONDS = 0.5
MARK = "carrel:callers"


class Shared(Protocol):
    """The Redis of the deployment, which all its processes see."""

    async def call(self, *command: str) -> Any:
        """Redis's reply to *command*. Raises `Unavailable`."""
        ...


class Changes:
    """The deployment's mark, as one process knows it; *forget* is called when it is another."""

    def __init__(self, shared: Shared, forget: Callable[[], None]) -> None:
        self._shared = shared
        self._forget = forget
        self._seen: bytes | None = None
        self._check_at = 0.0
        self._checks: Sharing[None, None] = Sharing()

    @property
    def is_due(self) -> bool:
        """Whether the mark was last read too long ago to trust what is remembered."""
        return time.monotonic() >= self._check_at

    async def check(self) -> None:
        """Read the mark; several callers share one reading."""
        await self._checks.run(None, self._read)

    async def announce(self) -> None:
        """Tell all processes that something has changed."""
        # Not taken as seen: a mark that another process sets meanwhile would then hide this one.
        try:
            await self._shared.call("SET", MARK, secrets.token_hex(16))
        except CarrelError:
            return  # the client has logged it; elsewhere memories end by their age

    async def close(self) -> None:
        await self._checks.close()

    async def _read(self) -> None:
        # Counted from before the reading, so that no mark is trusted for longer than it says.
        check_at = time.monotonic() + CHECK_SECONDS
        try:
            mark = await self._shared.call("GET", MARK)
        except CarrelError:
            check_at = time.monotonic() + CHECK_SECONDS  # no request waits for Redis right after
        else:
            if mark != self._seen:
                self._seen = mark
                self._forget()
        self._check_at = check_at
